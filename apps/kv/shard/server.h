/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server: CPUs with their shards, connections, and the settings.
 *
 * Legend: (c) only code on that CPU; (i) does not change after the start;
 * (a) atomic, any CPU; (s) the connection's own thread.
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include "shard/op.h"

#include <bsd/sys/queue.h>
#include <netinet/in.h>

#define KV_BATCH	32	/* commands of a pipeline that run together */
#define KV_NAMELEN	64
#define KV_ADDRLEN	64	/* room for an address as text */

struct kv_conn {
	TAILQ_ENTRY(kv_conn) c_link;	/* (c) of its CPU */
	int		 c_fd;		/* (i) */
	unsigned int	 c_cpu;		/* (i) */
	uint64_t	 c_id;		/* (i) */
	int64_t		 c_since;	/* (i) ms since 1970 */
	struct sockaddr_in6 c_peer;	/* (i) of IPv4, too */
	char		 c_addr[KV_ADDRLEN];	/* (c) of kv_conn_addr() */
	char		 c_laddr[KV_ADDRLEN];	/* (c) of kv_conn_laddr() */
	char		 c_name[KV_NAMELEN + 1]; /* (c) */
	int64_t		 c_active;	/* (c) ms since 1970, last request */
	const struct kv_cmd *c_cmd;	/* (c) the last one */
	bool		 c_close;	/* (c) after the replies are sent */
	_Atomic bool	 c_giveup;	/* (a) its replies are not wanted */
	_Atomic uint64_t c_made;	/* (a) bytes of unfinished replies */
	struct kv_resp	 c_in;		/* (s) */
	struct kv_reply	 c_out;		/* (s) */
	unsigned int	 c_nops;	/* (s) waiting in c_ops */
	struct kv_op	*c_ops;		/* (s) for a batch, or one a shard */
	struct kv_reply	 c_replies[];	/* (s) those of c_ops, when scattered */
};

/* One CPU: its shard and its connections. */
struct kv_cpu {
	struct kv_db	 p_db;		/* (c) */
	TAILQ_HEAD(, kv_conn) p_conns;	/* (c) in the order of c_id */
	int64_t		 p_keeper_wake;	/* (c) ms; when it will wake up */
	int64_t		 p_keeper_ran;	/* (c) ms; when it ran last */
	lwkt_thread_t	 p_keeper;	/* (i) */
	lwkt_port_t	 p_port;	/* (i) the shard thread's */
	lwkt_port_t	 p_slow;	/* (i) of the thread for long work */
};

struct kv_server {
	unsigned int	 s_ncpus;	/* (i) */
	const char	*s_bind;	/* (i) */
	int64_t		 s_since;	/* (i) ms since 1970 */
	struct kv_cpu	*s_cpus[KV_MAXCPU];	/* (i) */
	_Atomic uint64_t s_port;	/* (i) */
	_Atomic uint64_t s_wantcpus;	/* (i) 0: as many as there are */
	_Atomic uint64_t s_maxmemory;	/* (a) bytes; 0: no limit */
	_Atomic uint64_t s_maxclients;	/* (a) */
	_Atomic uint64_t s_protected;	/* (a) serve this machine alone */
	_Atomic uint64_t s_inlimit;	/* (a) bytes of one request */
	_Atomic uint64_t s_outlimit;	/* (a) bytes of replies not read */
	_Atomic uint64_t s_outtime;	/* (a) s above s_outlimit, at most */
	_Atomic uint64_t s_replylimit;	/* (a) bytes of an unfinished reply */
	_Atomic uint64_t s_conns;	/* (a) */
	_Atomic uint64_t s_rejected;	/* (a) */
	_Atomic uint64_t s_nextid;	/* (a) */
	_Atomic bool	 s_stopping;	/* (a) */
};

extern struct kv_server kv_server;

static inline struct kv_cpu *
kv_mycpu(void)
{
	return kv_server.s_cpus[lwkt_cpuid()];
}

/* peer.c */
const char *kv_peer_text(const struct kv_conn *c, char text[KV_ADDRLEN]);
const char *kv_conn_addr(struct kv_conn *c);
const char *kv_conn_laddr(struct kv_conn *c);

/* turn.c */
void	 kv_turn(struct kv_cpu *cpu);
void	 kv_turn_end(struct kv_cpu *cpu);
int64_t	 kv_keeper_due(struct kv_cpu *cpu);

/* exec.c */
void	 kv_op_init(struct kv_op *op, struct kv_conn *c,
	    const struct kv_cmd *cmd, struct kv_arg *argv, int argc);
bool	 kv_run_list(struct kv_db *db, struct kv_op *op);
bool	 kv_pause(struct kv_op *op);
void	 kv_scatter(struct kv_op *ops, unsigned int n);
void	 kv_gather(struct kv_op *ops, unsigned int n);
void	 kv_run(struct kv_op *ops, unsigned int n);
void	 kv_exec(struct kv_conn *c);
void	 kv_exec_conn(struct kv_op *op);
void	 kv_everywhere(struct kv_op *op, const struct kv_cmd *cmd);

/* shard.c */
void	 kv_shards_start(void);

#endif
