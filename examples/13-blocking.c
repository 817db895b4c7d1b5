/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code that blocks in the host: names, programs, and any function.
 *
 * One CPU.  A call of libc that waits would stop it, and with it all threads.
 * Here a host thread of its own makes each such call, and only the calling
 * thread waits: all look-ups are under way at one time, and the CPU goes on.
 */
#include <lwkt/lwkt.h>
#include <lwkt/libc.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#define MS	((int64_t)1000000)	/* nanoseconds */
#define NNAMES	4

static const char *const name[NNAMES] = {
	"127.0.0.1", "127.0.0.2", "::1", "not a name",
};
static int found;

/* Say the address of a name, or why there is none. */
static void
look_up(void *arg)
{
	const char *who = arg;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *ai;
	char text[INET6_ADDRSTRLEN] = "?";
	int error;

	error = lwkt_getaddrinfo_timo(who, NULL, &hints, &ai, 2000 * MS);
	if (error != 0) {
		printf("%s: %s\n", who, gai_strerror(error));
		return;
	}
	(void)lwkt_getnameinfo(ai->ai_addr, ai->ai_addrlen, text,
	    sizeof(text), NULL, 0, NI_NUMERICHOST);
	printf("%s: %s\n", who, text);
	found++;
	freeaddrinfo(ai);
}

/* Read what a program writes; stdio blocks this thread only. */
static int
program(void)
{
	FILE *f = lwkt_popen("echo a line of another program", "r");
	char line[80];

	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		return 0;
	printf("%s", line);
	return lwkt_pclose(f) == 0;
}

/* Stands for a library that waits: a database, a disk, a lock. */
static intptr_t
library(void *arg)
{
	struct timespec ts = { 0, *(const long *)arg };

	(void)nanosleep(&ts, NULL);
	return 42;
}

static int
blocking(void *arg)
{
	long ns = 20 * MS;
	lwkt_thread_t td[NNAMES];
	int i, answer;

	(void)arg;
	for (i = 0; i < NNAMES; i++)
		if (lwkt_create(look_up, (void *)name[i], &td[i], NULL,
		    LWKT_JOINABLE, -1, "look-up") != 0)
			return 1;
	answer = (int)lwkt_blocking(library, &ns);
	printf("the library says %d\n", answer);
	for (i = 0; i < NNAMES; i++)
		lwkt_join(td[i]);
	return !(found >= 2 && answer == 42 && program());
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, blocking, NULL);
}
