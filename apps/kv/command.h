/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "db.h"

struct kv_conn;

#define KV_C_WRITE	0x001
#define KV_C_READ	0x002
#define KV_C_DENYOOM	0x004
#define KV_C_ADMIN	0x008
#define KV_C_FAST	0x010
#define KV_C_STALE	0x020	/* "loading stale", as Redis calls it */

#define KV_MAXCMDS	128

/*
 * One row.  c_key runs on the shard of the key that is argument 1; c_conn runs
 * in the connection's thread and finds its keys itself.  Positions of keys are
 * those of COMMAND: first, last (negative: from the end), step.
 */
struct kv_cmd {
	const char	*c_name;
	int		 c_arity;	/* with the name; -n: at least n */
	unsigned int	 c_flags;
	int		 c_first, c_last, c_step;
	int		(*c_key)(struct kv_db *, struct kv_op *);
	void		(*c_conn)(struct kv_conn *, struct kv_arg *argv,
			    int argc);
	const char	*c_group, *c_since, *c_summary;
};

extern const struct kv_cmd kv_commands[];
extern const unsigned int kv_ncommands;

void	 kv_command_init(void);
const struct kv_cmd *kv_command_find(const char *name, size_t len);
bool	 kv_command_arity(const struct kv_cmd *cmd, int argc);
void	 kv_cmd_command(struct kv_conn *c, struct kv_arg *argv, int argc);

#define KV_KEY_FN(name)	int name(struct kv_db *db, struct kv_op *op)

/* keys.c */
KV_KEY_FN(kv_cmd_type); KV_KEY_FN(kv_cmd_ttl); KV_KEY_FN(kv_cmd_pttl);
KV_KEY_FN(kv_cmd_persist); KV_KEY_FN(kv_cmd_expire);
KV_KEY_FN(kv_cmd_pexpire); KV_KEY_FN(kv_cmd_expireat);
KV_KEY_FN(kv_cmd_pexpireat);
KV_KEY_FN(kv_op_del); KV_KEY_FN(kv_op_exists); KV_KEY_FN(kv_op_dbsize);
KV_KEY_FN(kv_op_flush); KV_KEY_FN(kv_op_scan);
KV_KEY_FN(kv_op_randomkey); KV_KEY_FN(kv_op_rename); KV_KEY_FN(kv_op_take);
KV_KEY_FN(kv_op_put);

/* t_string.c */
KV_KEY_FN(kv_cmd_get); KV_KEY_FN(kv_cmd_set); KV_KEY_FN(kv_cmd_setnx);
KV_KEY_FN(kv_cmd_setex); KV_KEY_FN(kv_cmd_psetex); KV_KEY_FN(kv_cmd_getset);
KV_KEY_FN(kv_cmd_getdel); KV_KEY_FN(kv_cmd_getex); KV_KEY_FN(kv_cmd_incr);
KV_KEY_FN(kv_cmd_decr); KV_KEY_FN(kv_cmd_incrby); KV_KEY_FN(kv_cmd_decrby);
KV_KEY_FN(kv_cmd_incrbyfloat); KV_KEY_FN(kv_cmd_append);
KV_KEY_FN(kv_cmd_strlen); KV_KEY_FN(kv_cmd_getrange);
KV_KEY_FN(kv_cmd_setrange); KV_KEY_FN(kv_op_mget); KV_KEY_FN(kv_op_mset);

/* t_list.c */
KV_KEY_FN(kv_cmd_lpush); KV_KEY_FN(kv_cmd_rpush); KV_KEY_FN(kv_cmd_lpop);
KV_KEY_FN(kv_cmd_rpop); KV_KEY_FN(kv_cmd_llen); KV_KEY_FN(kv_cmd_lrange);
KV_KEY_FN(kv_cmd_lindex); KV_KEY_FN(kv_cmd_lset); KV_KEY_FN(kv_cmd_lrem);
KV_KEY_FN(kv_cmd_ltrim);

/* t_hash.c */
KV_KEY_FN(kv_cmd_hset); KV_KEY_FN(kv_cmd_hget); KV_KEY_FN(kv_cmd_hmget);
KV_KEY_FN(kv_cmd_hdel); KV_KEY_FN(kv_cmd_hgetall); KV_KEY_FN(kv_cmd_hkeys);
KV_KEY_FN(kv_cmd_hvals); KV_KEY_FN(kv_cmd_hlen); KV_KEY_FN(kv_cmd_hexists);
KV_KEY_FN(kv_cmd_hincrby);

/* t_set.c */
KV_KEY_FN(kv_cmd_sadd); KV_KEY_FN(kv_cmd_srem); KV_KEY_FN(kv_cmd_sismember);
KV_KEY_FN(kv_cmd_smembers); KV_KEY_FN(kv_cmd_scard); KV_KEY_FN(kv_cmd_spop);
KV_KEY_FN(kv_cmd_srandmember);

/* t_zset.c, t_zrange.c */
KV_KEY_FN(kv_cmd_zadd); KV_KEY_FN(kv_cmd_zrem); KV_KEY_FN(kv_cmd_zscore);
KV_KEY_FN(kv_cmd_zincrby); KV_KEY_FN(kv_cmd_zcard); KV_KEY_FN(kv_cmd_zrank);
KV_KEY_FN(kv_cmd_zrange); KV_KEY_FN(kv_cmd_zrangebyscore);
KV_KEY_FN(kv_cmd_zpopmin); KV_KEY_FN(kv_cmd_zpopmax);

#define KV_CONN_FN(name) \
	void name(struct kv_conn *c, struct kv_arg *argv, int argc)

/* multi.c */
KV_CONN_FN(kv_cmd_del); KV_CONN_FN(kv_cmd_exists); KV_CONN_FN(kv_cmd_mget);
KV_CONN_FN(kv_cmd_mset); KV_CONN_FN(kv_cmd_rename); KV_CONN_FN(kv_cmd_keys);
KV_CONN_FN(kv_cmd_scan); KV_CONN_FN(kv_cmd_randomkey);
KV_CONN_FN(kv_cmd_dbsize); KV_CONN_FN(kv_cmd_flush);

/* server.c, info.c, client.c */
KV_CONN_FN(kv_cmd_ping); KV_CONN_FN(kv_cmd_echo); KV_CONN_FN(kv_cmd_quit);
KV_CONN_FN(kv_cmd_select); KV_CONN_FN(kv_cmd_hello);
KV_CONN_FN(kv_cmd_client); KV_CONN_FN(kv_cmd_config);
KV_CONN_FN(kv_cmd_info);

#endif
