/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializing tokens: locks that hold only while their holder runs.
 *
 * A token protects data: while a thread holds it exclusively and runs, no other
 * holder of it runs on any CPU.  A holder that blocks (sleeps, waits for a
 * message, yields) loses all its tokens, and has them again when it continues.
 * Other threads may have changed the data: test it again, or ask
 * lwkt_token_is_stale().  In return tokens cannot deadlock in any order, may be
 * taken recursively, and are free while their holder waits for something else.
 *
 * Tokens are released in the reverse order, or after lwkt_token_swap.
 *
 * Context: thread; in an IPI or timer callback only lwkt_trytoken, and what it
 * took must be released there.  Not from plain pthreads.  Blocks: no, if not
 * said otherwise.  A thread that would wait for a token in a callback, in a
 * hard section or with a spinlock panics.  The program owns the memory of a
 * token.
 */
#ifndef LWKT_TOKEN_H
#define LWKT_TOKEN_H

#include <lwkt/panic.h>
#include <lwkt/types.h>

LWKT_BEGIN_DECLS

#define LWKT_MAXTOKENS	32	/* held by one thread at a time */

struct lwkt_token {
	LWKT_ALIGNED(64)
	uint64_t	 t_count;	/* holders; atomic */
	uint32_t	 t_want;	/* requests of waiters; atomic */
	uint32_t	 t_pad;
	uintptr_t	 t_ref;		/* the exclusive holder's reference */
	const char	*t_name;
	uint64_t	 t_gen;		/* times it was taken exclusively */
	uint64_t	 t_collisions;	/* times that a thread had to wait */
};
typedef struct lwkt_token *lwkt_token_t;

#define LWKT_TOKEN_INITIALIZER(name)	{ 0, 0, 0, 0, (name), 0, 0 }

/* Initialise a token; name must stay. */
LWKT_API void lwkt_token_init(lwkt_token_t tok, const char *name);
/* Panic if the token is not free; to be called before the memory goes away. */
LWKT_API void lwkt_token_uninit(lwkt_token_t tok);

/*
 * Take the token exclusively.  Blocks: until it is free; other threads may run.
 */
LWKT_API void lwkt_gettoken(lwkt_token_t tok);
/*
 * The same beside other shared holders.  Blocks: while another thread holds the
 * token exclusively or, if the caller has no other token, waits to do so.  A
 * thread that holds the token only shared must not ask for it exclusively: it
 * would wait for itself, and panics.
 */
LWKT_API void lwkt_gettoken_shared(lwkt_token_t tok);
/*
 * Take the token exclusively without waiting.  Returns 1, or 0 if it is held.
 */
LWKT_API int lwkt_trytoken(lwkt_token_t tok);
/* Release the token that was taken last; panics for any other. */
LWKT_API void lwkt_reltoken(lwkt_token_t tok);
/*
 * Exchange the two tokens that were taken last, to release the other one first.
 */
LWKT_API void lwkt_token_swap(void);

/*
 * Tell whether the caller holds the token at all; exclusively; and how often td
 * has taken it (td is the caller, or does not run).
 */
LWKT_API int lwkt_token_held_any(lwkt_token_t tok);
LWKT_API int lwkt_token_held_excl(lwkt_token_t tok);
LWKT_API int lwkt_cnttoken(lwkt_token_t tok, lwkt_thread_t td);

#define LWKT_TOKEN_HELD_ANY(tok)	lwkt_token_held_any(tok)
#define LWKT_TOKEN_HELD_EXCL(tok)	lwkt_token_held_excl(tok)
#define LWKT_ASSERT_TOKEN_HELD(tok) do {				\
	if (!lwkt_token_held_any(tok))					\
		lwkt_panic("%s: token \"%s\" is not held", __func__,	\
		    (tok)->t_name);					\
} while (0)
#define LWKT_ASSERT_TOKEN_HELD_EXCL(tok) do {				\
	if (!lwkt_token_held_excl(tok))					\
		lwkt_panic("%s: token \"%s\" is not held exclusively",	\
		    __func__, (tok)->t_name);				\
} while (0)

/*
 * Return 1 if another thread has held the token exclusively since the caller
 * took it or last asked, else 0.  Only a caller that has blocked can get 1.  It
 * may get 1 although no other thread has run with the token, if the scheduler
 * had chosen a thread for which another token was missing.  Panics if the
 * caller does not hold the token.
 */
LWKT_API int lwkt_token_is_stale(lwkt_token_t tok);

/*
 * Find the token for an address in a common pool; take it exclusively; release
 * it.  Different addresses may share a token.  Blocks: lwkt_getpooltoken, as
 * lwkt_gettoken.
 */
LWKT_API lwkt_token_t lwkt_token_pool_lookup(const volatile void *addr);
LWKT_API lwkt_token_t lwkt_getpooltoken(const volatile void *addr);
LWKT_API void lwkt_relpooltoken(const volatile void *addr);

/* Return the token for code that is not parallel (LWKT_GIANT threads). */
LWKT_API lwkt_token_t lwkt_mp_token(void);

LWKT_END_DECLS

#endif
