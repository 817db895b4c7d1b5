/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plain pthread talks to a thread of the kernel, through spin ports.
 *
 * The pthread is no CPU, so it may block in libc.  Threads of the kernel and
 * pthreads may send to a spin port, receive from it and wait on it.  So one
 * spin port takes questions to the kernel, and another one the answers back.
 */
#include <lwkt/lwkt.h>
#include <pthread.h>
#include <stdio.h>

#define LAST	1000		/* questions */

struct question {
	struct lwkt_msg	q_msg;		/* first */
	long		q_number;	/* negative: no more questions */
};

static struct lwkt_port to_kernel;	/* spin: questions */
static long answer_sum;			/* read after pthread_join */

/* The pthread: ask, wait for the answer, ask again. */
static void *
stranger(void *arg)
{
	struct question q = { .q_number = 0 };
	struct lwkt_port answers;

	(void)arg;
	lwkt_initport_spin(&answers);
	lwkt_initmsg(&q.q_msg, &answers, 0);
	for (long i = 1; i <= LAST; i++) {
		q.q_number = i;
		lwkt_sendmsg(&to_kernel, &q.q_msg);
		lwkt_waitmsg(&q.q_msg, 0);
		answer_sum += q.q_msg.ms_u.i64;
	}
	q.q_number = -1;
	lwkt_sendmsg(&to_kernel, &q.q_msg);
	lwkt_waitmsg(&q.q_msg, 0);
	return NULL;
}

/* In the kernel: answer until there are no more questions. */
static int
oracle(void *arg)
{
	pthread_t pt;
	struct question *q;
	int more = 1;

	(void)arg;
	lwkt_initport_spin(&to_kernel);
	if (pthread_create(&pt, NULL, stranger, NULL) != 0)
		return 1;
	while (more) {
		q = lwkt_waitport(&to_kernel, 0);
		more = q->q_number >= 0;
		q->q_msg.ms_u.i64 = 2 * q->q_number;
		lwkt_replymsg(&q->q_msg, 0);
	}
	pthread_join(pt, NULL);	/* blocks this CPU: nothing else runs here */
	printf("the kernel answered %d questions: %ld\n", LAST, answer_sum);
	return answer_sum != (long)LAST * (LAST + 1);
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, oracle, NULL);
}
