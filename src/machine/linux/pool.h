/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool of carriers (pool.c).
 */
#ifndef LWKT_MACHINE_LINUX_POOL_H
#define LWKT_MACHINE_LINUX_POOL_H

#include <pthread.h>

#include "machine/linux/hostcall.h"

enum carrier_state { C_NONE, C_LIVE, C_ENDED };
enum carrier_class { CC_FILE, CC_LONG, CC_CLASSES };

/* A carrier.  Fields are written under the pool's lock, or in pool_join. */
struct carrier {
	pthread_t	 c_thread;
	struct hostio	*c_io;		/* operation that it makes, or NULL */
	enum carrier_state c_state;
	enum carrier_class c_class;	/* (i) from its start */
	int		 c_cancelled;	/* 1: pthread_cancel was called */
};

void	pool_lock(void);
void	pool_unlock(void);
enum carrier_class pool_class(const struct hostio *io);

/* The caller has locked the pool: */
int	pool_put(struct hostio *io);	/* 0, or an errno: no carrier */
int	pool_next(struct carrier *c);
struct hostio *pool_end(struct carrier *c);

/* The caller has not locked the pool: */
int	pool_queue(struct hostio *io);	/* lock, and call pool_put */
int	pool_cancel(struct hostio *io);	/* 1: the caller completes io */
struct hostio *pool_take(struct mcpu *mc);	/* off a queue, or NULL */
void	pool_cancel_cpu(struct mcpu *mc);
void	pool_attach(void *(*main)(void *c));
int	pool_detach(void);
void	pool_join(void);

#endif
