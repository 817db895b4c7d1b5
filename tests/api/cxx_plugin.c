/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program in C loads a plugin in C++, with its runtime, before the boot.
 */
#include <dlfcn.h>
#include <lwkt/lwkt.h>

#include "tap.h"

#define THREADS	4

typedef int (*work_t)(int id, void (*give_way)(void));

static work_t work;
static int wrong[THREADS];

static void
worker(void *arg)
{
	int *mine = arg;

	*mine = work((int)(mine - wrong), lwkt_yield);
}

static int
body(void *arg)
{
	lwkt_thread_t td[THREADS];
	int i, sum = 0;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		(void)lwkt_create(worker, &wrong[i], &td[i], NULL,
		    LWKT_JOINABLE, 0, "worker %d", i);
	for (i = 0; i < THREADS; i++) {
		(void)lwkt_join(td[i]);
		sum += wrong[i];
	}
	return sum;
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };
	void *so;

	if (argc < 2)
		skip_all("there is no C++ compiler");
	so = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!ok(so != NULL, "the plugin is loaded")) {
		diag("%s", dlerror());
		return tap_done();
	}
	*(void **)&work = dlsym(so, "plugin_work");
	is_int(lwkt_boot(&cfg, body, NULL), 0,
	    "threads in a plugin have their own exceptions");
	return tap_done();
}
