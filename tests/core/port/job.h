/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small messages, and a thread that replies to them.
 */
#ifndef LWKT_TESTS_CORE_JOB_H
#define LWKT_TESTS_CORE_JOB_H

#include <lwkt/msgport.h>

#include "core/util.h"

enum what { W_ADD, W_NEST, W_LATER, W_STOP };

struct job {
	struct lwkt_msg	 j_msg;		/* first */
	enum what	 j_what;
	int		 j_seq;
};

UTIL void
job_init(struct job *j, lwkt_port_t reply, enum what what, int seq)
{
	lwkt_initmsg(&j->j_msg, reply, 0);
	j->j_what = what;
	j->j_seq = seq;
}

UTIL void
echo(void *arg)
{
	struct job *j;
	enum what what;

	(void)arg;
	do {
		j = lwkt_waitport(lwkt_curport(), 0);
		what = j->j_what;
		lwkt_replymsg(&j->j_msg, 4);
	} while (what != W_STOP);
}

UTIL void
end(lwkt_thread_t td)
{
	struct job j;

	job_init(&j, lwkt_curport(), W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &j.j_msg, 0) == 4, "stop");
	join(td);
}

#endif
