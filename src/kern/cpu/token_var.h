/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reference to a token: each thread has an array of them.
 */
#ifndef LWKT_KERN_CPU_TOKEN_VAR_H
#define LWKT_KERN_CPU_TOKEN_VAR_H

#include <lwkt/token.h>

enum tokmode { TOK_NONE, TOK_EXCL, TOK_SHARED };

/*
 * A thread's request for a token, or its hold on one.  In t_count the hold is
 * T_UNIT if tr_counted is 1, EXCLUSIVE if it is 0.  (s) written by the thread,
 * or by the scheduler of its CPU while the thread does not run.
 */
struct tokref {
	lwkt_token_t	 tr_tok;	/* (s) */
	lwkt_thread_t	 tr_td;		/* (s) */
	uint64_t	 tr_gen;	/* (s) last known t_gen (TK4) */
	uint8_t		 tr_mode;	/* (s) enum tokmode, as requested */
	uint8_t		 tr_counted;	/* (s) if held: see above */
};

#endif
