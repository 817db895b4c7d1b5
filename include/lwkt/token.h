/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializing tokens: exclusion while you run.
 *
 * A token keeps other threads out of the data it stands for as long as its
 * holder runs.  A holder that blocks (sleeps, waits for a message, yields)
 * loses all its tokens, and has them all again when it goes on: look again at
 * what you knew, or ask lwkt_token_is_stale().  In return tokens cannot
 * deadlock in any order, may be taken recursively, and hold nobody up while
 * their holder waits for something else.
 *
 * Tokens are released in the reverse order (or after lwkt_token_swap).
 *
 * Context: thread; in an IPI or timer callback lwkt_trytoken alone, and what
 * it got released there.  Not from foreign pthreads.
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
	uint64_t	 t_gen;		/* changes of exclusive holder */
	uint64_t	 t_owner;	/* id of the last exclusive holder */
	uint64_t	 t_collisions;	/* times somebody had to wait */
};
typedef struct lwkt_token *lwkt_token_t;

#define LWKT_TOKEN_INITIALIZER(name)	{ 0, 0, 0, 0, (name), 0, 0, 0 }

LWKT_API void lwkt_token_init(lwkt_token_t tok, const char *name);
/* The token must be free. */
LWKT_API void lwkt_token_uninit(lwkt_token_t tok);

/* Take it; may switch to other threads meanwhile. */
LWKT_API void lwkt_gettoken(lwkt_token_t tok);
/* The same beside other shared holders; no upgrade to exclusive. */
LWKT_API void lwkt_gettoken_shared(lwkt_token_t tok);
/* Take it exclusively only if that needs no waiting: 1, else 0. */
LWKT_API int lwkt_trytoken(lwkt_token_t tok);
/* Give back the token taken last; panics if that is another one. */
LWKT_API void lwkt_reltoken(lwkt_token_t tok);
/* Exchange the two tokens taken last, so that the other is released first. */
LWKT_API void lwkt_token_swap(void);

/* Does the caller hold it: at all, exclusively, how many times? */
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
 * Has anybody else held it exclusively since the caller took it, or last
 * asked?  Can be true only after the caller blocked.
 */
LWKT_API int lwkt_token_is_stale(lwkt_token_t tok);

/* A token for an address that has none: unrelated addresses may share one. */
LWKT_API lwkt_token_t lwkt_token_pool_lookup(const volatile void *addr);
LWKT_API lwkt_token_t lwkt_getpooltoken(const volatile void *addr);
LWKT_API void lwkt_relpooltoken(const volatile void *addr);

/* The token of code that is not yet parallel (LWKT_GIANT threads). */
LWKT_API lwkt_token_t lwkt_mp_token(void);

LWKT_END_DECLS

#endif
