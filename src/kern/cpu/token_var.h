/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References to tokens, and what the scheduler does with them.
 */
#ifndef LWKT_KERN_CPU_TOKEN_VAR_H
#define LWKT_KERN_CPU_TOKEN_VAR_H

#include <lwkt/token.h>

struct globaldata;

enum tokmode { TOK_NONE, TOK_EXCL, TOK_SHARED };

/*
 * A thread's request for a token, or its hold on one.  (s) the thread, or the
 * scheduler of its CPU while the thread does not run.
 */
struct tokref {
	lwkt_token_t	 tr_tok;	/* (s) */
	lwkt_thread_t	 tr_td;		/* (s) */
	uint64_t	 tr_gen;	/* (s) t_gen as last looked at */
	uint8_t		 tr_mode;	/* (s) what was asked for */
	uint8_t		 tr_counted;	/* (s) holds a count unit, not EXCL */
};

/*
 * lwkt_token.c, for the switch.  A thread that leaves the CPU releases the
 * tokens it holds (tokens_release).  It must get all of them again before it
 * runs.  tokens_get: 1; or 0, and td_tokwant is the token that was refused.
 */
void	tokens_release(lwkt_thread_t td);
int	tokens_get(lwkt_thread_t td);
/*
 * Ask the holder of td_tokwant to notify this CPU at its release.  0: do not
 * sleep, because the token is free or the host cannot fence all CPUs.
 */
int	tokens_want_nudge(struct globaldata *gd, lwkt_thread_t td);
/* td is passed over: ask the holder to notify this CPU, which does not wait. */
void	tokens_passed(struct globaldata *gd, lwkt_thread_t td);
/* For liveness.c: could td, which does not run, get all of its tokens? */
int	tokens_free(lwkt_thread_t td);
/* A number that changes when one of them was taken, or td was refused one. */
uint64_t tokens_taken(lwkt_thread_t td);
void	tokens_nudged(struct globaldata *gd);		/* RQF_TOKEN */

#endif
