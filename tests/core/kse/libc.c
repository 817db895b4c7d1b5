/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look-ups under every schedule: each ends with what it found or at its limit,
 * and what was found is freed once.
 *
 * getaddrinfo and freeaddrinfo are this file's, so no host is asked.
 */
#include "core/util.h"

#include <lwkt/libc.h>
#include <netdb.h>
#include <unistd.h>

#define US		((int64_t)1000)
#define LOOKUPS		8

static uint32_t found, freed;		/* in all runs */
static uint32_t timeouts;
static const struct addrinfo hints = { .ai_flags = AI_CANONNAME };

/* Find the name itself. */
int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *want, struct addrinfo **res)
{
	check(want->ai_flags == AI_CANONNAME, "flags %d", want->ai_flags);
	check(strcmp(service, "service") == 0, "service %s", service);
	if (strcmp(node, "3") == 0) {
		errno = EPROTO;
		return EAI_SYSTEM;
	}
	*res = calloc(1, sizeof(**res));
	(*res)->ai_canonname = strdup(node);
	ADD(found, 1);
	return 0;
}

void
freeaddrinfo(struct addrinfo *ai)
{
	free(ai->ai_canonname);
	free(ai);
	ADD(freed, 1);
}

static void
looks_up(void *arg)
{
	char node[4], service[8];
	struct addrinfo *ai;
	int i, error;

	(void)arg;
	for (i = 0; i < LOOKUPS; i++) {
		snprintf(node, sizeof(node), "%d", i);
		strcpy(service, "service");
		ai = NULL;
		error = lwkt_getaddrinfo_timo(node, service, &hints, &ai,
		    i < 4 ? LWKT_FOREVER : (i - 4) * 2 * US);
		memset(service, 0, sizeof(service));	/* it has a copy */
		if (error == 0) {
			check(strcmp(ai->ai_canonname, node) == 0, "found %s",
			    ai->ai_canonname);
			freeaddrinfo(ai);
		} else {
			check(error == EAI_SYSTEM, "error %d", error);
			check(errno == (i == 3 ? EPROTO : ETIMEDOUT),
			    "look-up %d: errno %d", i, errno);
			ADD(timeouts, i != 3);
		}
	}
}

static int
look_ups_body(void *arg)
{
	(void)arg;
	STORE(timeouts, 0);
	run_threads(looks_up, 3);
	check(LOAD(timeouts) >= 3, "%u limits", LOAD(timeouts));
	return 0;
}

int
main(void)
{
	sim_explore("each look-up ends and is freed", look_ups_body, NULL,
	    200);
	/* Carriers that were left may go on after the kernel. */
	for (int i = 0; i < 10000 && LOAD(freed) != LOAD(found); i++)
		usleep(1000);
	ok(LOAD(freed) == LOAD(found), "%u found, %u freed", LOAD(found),
	    LOAD(freed));
	return tap_done();
}
