/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool of carriers (pool.c).
 */
#ifndef LWKT_MACHINE_LINUX_POOL_H
#define LWKT_MACHINE_LINUX_POOL_H

#include <bsd/sys/queue.h>
#include <pthread.h>

#include "machine/linux/host.h"
#include "machine/linux/hostcall.h"

enum carrier_class { CC_FILE, CC_LONG, CC_CALL, CC_CLASSES };

/* A carrier.  Fields are (l) of the pool's lock, unless marked. */
struct carrier {
	LIST_ENTRY(carrier) c_link;	/* all, or those to be joined */
	LIST_ENTRY(carrier) c_idle;	/* parked ones of the class */
	struct helper	 c_helper;	/* (i) its start */
	pthread_t	 c_thread;	/* (i) once on the list of all */
	pthread_cond_t	 c_work;	/* c_io was set, or the pool stops */
	struct hostio	*c_io;		/* its operation, or NULL */
	enum carrier_class c_class;	/* (i) */
	unsigned	 c_boot;	/* (i) cp_boots at its start */
	int		 c_begun;	/* 1: it has woken and makes the call */
	int		 c_cancelled;	/* 1: pthread_cancel was called */
	int		 c_detached;	/* 1: its operation was detached */
};

void	pool_lock(void);
void	pool_unlock(void);
enum carrier_class pool_class(const struct hostio *io);

/* The caller has locked the pool: */
int	pool_put(struct hostio *io);	/* 0, or an errno: no carrier */
void	pool_enter(struct carrier *c);
int	pool_next(struct carrier *c);
void	pool_drop(struct carrier *c);
void	pool_end(struct carrier *c);	/* unlocks the pool */
int	pool_grow(void);
struct hostio *pool_unserved(void);

/* The caller has not locked the pool: */
int	pool_queue(struct hostio *io);	/* lock, and call pool_put */
int	pool_cancel(struct hostio *io);	/* 0, or an errno: see pool.c */
struct hostio *pool_take(struct mcpu *mc);	/* not begun, or NULL */
unsigned pool_cancel_cpu(struct mcpu *mc);
void	*pool_function(struct mcpu *mc);	/* an address, for a report */
void	pool_attach(void *(*carrier)(void *c));
void	pool_start(void *(*grower)(void *arg));
int	pool_detach(void);
void	pool_join(void);

#endif
