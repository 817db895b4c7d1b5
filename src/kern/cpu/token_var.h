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
 * One taking of a token by one thread.  (s) the thread, or the scheduler of
 * its CPU while it does not run.
 */
struct tokref {
	lwkt_token_t	 tr_tok;	/* (s) */
	lwkt_thread_t	 tr_td;		/* (s) */
	uint64_t	 tr_gen;	/* (s) t_gen as last looked at */
	uint8_t		 tr_mode;	/* (s) what was asked for */
	uint8_t		 tr_counted;	/* (s) holds a count unit, not EXCL */
};

/*
 * lwkt_token.c, for the switch.  A thread that leaves lets go of what it
 * holds; before one comes back it must have all of it.  tokens_get: 1, or 0
 * and td_tokwant says which one was refused.
 */
void	tokens_release(lwkt_thread_t td);
int	tokens_get(lwkt_thread_t td);
/* Have the holder of td_tokwant tell this CPU when it lets go; 0: it has. */
int	tokens_want_nudge(struct globaldata *gd, lwkt_thread_t td);
/* td is passed over: have the holder tell this CPU, which goes on meanwhile. */
void	tokens_passed(struct globaldata *gd, lwkt_thread_t td);
int	tokens_free(lwkt_thread_t td);
uint64_t tokens_taken(lwkt_thread_t td);
void	tokens_nudged(struct globaldata *gd);		/* RQF_TOKEN */

#endif
