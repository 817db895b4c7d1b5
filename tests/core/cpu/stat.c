/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tunables, counters, trace masks, and what they say at the end.
 */
#include <lwkt/malloc.h>

#include "base/ktr.h"
#include "core/child.h"
#include "core/util.h"

static LWKT_MALLOC_DEFINE(M_LOST, "lost", "blocks that nobody frees");

static int
count_something(void *arg)
{
	(void)arg;
	(void)lwkt_kmalloc(100, M_LOST, LWKT_M_WAITOK);
	lwkt_kfree(lwkt_kmalloc(100, M_LOST, LWKT_M_WAITOK), M_LOST);
	join(spawn(util_nothing, NULL, 0, 0));
	join(spawn(util_nothing, NULL, 0, lwkt_ncpus() - 1));
	return 7;
}

/* What the child shall find in its environment. */
struct env {
	const char	*e_name;
	const char	*e_value;
};

static void
boot_with(void *arg)
{
	const struct env *e = arg;
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	int result = -1, error;

	(void)setenv(e->e_name, e->e_value, 1);
	error = lwkt_boot_result(&cfg, count_something, NULL, &result);
	_exit(error != 0 ? error : result);
}

static const struct {
	struct env	t_env;
	int		t_status;
	const char	*t_says;
} tunes[] = {
	{ { "LWKT_TUNE", "" }, 7, "" },
	{ { "LWKT_TUNE", "lwkt.hz=50" }, 7, "" },
	{ { "LWKT_TUNE", "lwkt.hz=0x10" }, 7, "" },
	{ { "LWKT_TUNE", ",lwkt.hz=50,,lwkt.cache_threads=8," }, 7, "" },
	{ { "LWKT_TUNE", "lwkt.nonsense=1" }, EINVAL,
	    "LWKT_TUNE: no tunable \"lwkt.nonsense=1\"" },
	{ { "LWKT_TUNE", "lwkt.hz" }, EINVAL, "no tunable \"lwkt.hz\"" },
	{ { "LWKT_TUNE", "lwkt.hz=" }, EINVAL, "must be 1 to 10000" },
	{ { "LWKT_TUNE", "lwkt.hz=0" }, EINVAL, "lwkt.hz=0: must be 1 to" },
	{ { "LWKT_TUNE", "lwkt.hz=10001" }, EINVAL, "must be 1 to 10000" },
	{ { "LWKT_TUNE", "lwkt.hz=99999999999999999999" }, EINVAL,
	    "must be 1 to 10000" },
	{ { "LWKT_TUNE", "lwkt.hz=50x" }, EINVAL, "must be 1 to 10000" },
	{ { "LWKT_TUNE", "lwkt.hz=50,bad" }, EINVAL, "no tunable \"bad\"" },
	{ { "LWKT_TRACE", "0x1ff" }, 7, "" },
	{ { "LWKT_TRACE", "0" }, 7, "" },
	{ { "LWKT_TRACE", "lots" }, EINVAL, "LWKT_TRACE=lots" },
	{ { "LWKT_TRACE", "" }, 7, "" },
	{ { "LWKT_DEBUG", "stats" }, 7, "lwkt.threads_created" },
	{ { "LWKT_DEBUG", "nothing" }, 7, "" },
};

static void
environment(void)
{
	static struct child c;
	const char *says;
	size_t i;

	for (i = 0; i < nitems(tunes); i++) {
		child_run(&c, boot_with, (void *)(uintptr_t)&tunes[i].t_env);
		says = tunes[i].t_says;
		if (!ok(WIFEXITED(c.c_status) &&
		    WEXITSTATUS(c.c_status) == tunes[i].t_status &&
		    (*says != '\0' ? child_said(&c, says) : c.c_len == 0),
		    "%s=%s: status %d, says \"%s\"", tunes[i].t_env.e_name,
		    tunes[i].t_env.e_value, tunes[i].t_status, says))
			child_diag(&c);
	}
}

static void
stats_lines(void)
{
	static const struct env e = { "LWKT_DEBUG", "stats" };
	static struct child c;
	const char *line;
	long long n = -1;

	child_run(&c, boot_with, (void *)(uintptr_t)&e);
	line = strstr(c.c_err, "lwkt.threads_created");
	if (line != NULL)
		(void)sscanf(line, "lwkt.threads_created %lld", &n);
	is_int(n, 3, "the counters are printed with their sums");
	ok(child_said(&c, "threads started"), "and what they mean");
	ok(child_said(&c, "malloc lost") && child_said(&c, "104  bytes in 1 "
	    "blocks, 2 requests, 0 refused: blocks that nobody frees"),
	    "and what memory was not freed");
}

static int
trace_grows(void *arg)
{
	uint32_t mask = lwkt__ktr_mask;
	struct ktr_ring *kr = gd_find(0)->gd_ktr;
	uint64_t before;
	int i;

	(void)arg;
	STORE(lwkt__ktr_mask, KTR_ALL);
	before = kr->kr_index;
	for (i = 0; i < 2 * KTR_ENTRIES &&
	    kr->kr_index - before <= KTR_ENTRIES; i++)
		join(spawn(util_nothing, NULL, 0, 0));
	check(kr->kr_index - before > KTR_ENTRIES, "%d events",
	    (int)(kr->kr_index - before));
	for (i = 0; i < KTR_ENTRIES; i++)
		check(kr->kr_rec[i].kt_event != NULL &&
		    kr->kr_rec[i].kt_event->ke_name != NULL, "record %d", i);
	STORE(lwkt__ktr_mask, 0);
	before = kr->kr_index;
	join(spawn(util_nothing, NULL, 0, 0));
	check(kr->kr_index == before, "events although the mask is 0");
	STORE(lwkt__ktr_mask, mask);
	return 0;
}

static int
counters_start_at_zero(void *arg)
{
	(void)arg;
	check(counter("lwkt.threads_created") == 1, "%d at boot",
	    (int)counter("lwkt.threads_created"));
	check(counter("no.such.counter") == -1, "an unknown counter");
	return count_something(NULL) - 7;
}

int
main(void)
{
	environment();
	stats_lines();
	sim_explore("each boot counts from zero", counters_start_at_zero,
	    NULL, 20);
	sim_explore("the trace ring keeps the last events", trace_grows, NULL,
	    3);
	return tap_done();
}
