/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls as messages: one thread, many calls at once.
 *
 * A call is prepared, sent, and comes back as a reply on the thread's port
 * when it is complete.  It can have a time limit, and it can be aborted; its
 * reply comes in any case, and only then its buffer is free again.
 */
#include <lwkt/lwkt.h>
#include <lwkt/sysmsg.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define MS	((int64_t)1000000)	/* nanoseconds */
#define NSLEEPS	5

/* Five sleeps at once; the shortest one replies first. */
static int
sleeps(void)
{
	struct lwkt_sysmsg sm[NSLEEPS], *done;
	int order = 0;

	for (int i = 0; i < NSLEEPS; i++) {
		lwkt_sysmsg_sleep(&sm[i], lwkt_curport(),
		    (NSLEEPS - i) * 5 * MS);
		lwkt_sendsys(&sm[i]);
	}
	for (int i = 0; i < NSLEEPS; i++) {
		done = lwkt_waitport(lwkt_curport(), 0);
		printf("sleep %d is over\n", (int)(done - sm));
		order += done == &sm[NSLEEPS - 1 - i];
	}
	return order == NSLEEPS;
}

/* A read that waits for a write; both are under way at once. */
static int
pipe_both(int fd[2])
{
	struct lwkt_sysmsg rd, wr;
	char in[8] = "";

	lwkt_sysmsg_read(&rd, lwkt_curport(), fd[0], in, sizeof(in));
	lwkt_sendsys(&rd);
	lwkt_sysmsg_write(&wr, lwkt_curport(), fd[1], "piped", 6);
	lwkt_sendsys(&wr);
	lwkt_waitmsg(&rd.sm_msg, 0);
	lwkt_waitmsg(&wr.sm_msg, 0);
	printf("read %lld bytes: %s\n", (long long)rd.sm_result, in);
	return rd.sm_result == 6 && wr.sm_result == 6;
}

/* Two reads that nobody satisfies: a limit ends one, an abort the other. */
static int
early_ends(int fd)
{
	struct lwkt_sysmsg limited, aborted;
	char buf[2];

	lwkt_sysmsg_read(&limited, lwkt_curport(), fd, &buf[0], 1);
	limited.sm_timeout_ns = 5 * MS;
	lwkt_sendsys(&limited);
	lwkt_sysmsg_read(&aborted, lwkt_curport(), fd, &buf[1], 1);
	lwkt_sendsys(&aborted);
	lwkt_abortmsg(&aborted.sm_msg);
	lwkt_waitmsg(&aborted.sm_msg, 0);
	lwkt_waitmsg(&limited.sm_msg, 0);
	printf("aborted: %lld, limited: %lld\n",
	    (long long)aborted.sm_result, (long long)limited.sm_result);
	return aborted.sm_result == -ECANCELED &&
	    limited.sm_result == -ETIMEDOUT;
}

static int
async_syscalls(void *arg)
{
	int fd[2], good;

	(void)arg;
	if (pipe(fd) != 0)
		return 1;
	good = sleeps() && pipe_both(fd) && early_ends(fd[0]);
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	return !good;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, async_syscalls, NULL);
}
