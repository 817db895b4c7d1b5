/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that need more than one shard or know their connection, and the
 * table of all commands.
 */
#ifndef KV_CMD_H
#define KV_CMD_H

#include "cmd/value.h"
#include "shard/server.h"

#define KV_REDIS_VERSION "7.0.15"	/* whose behaviour clients may expect */

/* command.c, families.c */
void	 kv_command_add(const struct kv_family *f);
const struct kv_cmd *kv_command_find(const struct kv_arg *name);
bool	 kv_arity_ok(const struct kv_cmd *cmd, int argc);
void	 kv_subcommand(struct kv_op *op);
void	 kv_command_init(void);

/* config.c */
bool	 kv_options(char **argv);
uint64_t kv_clients_room(uint64_t clients);

/* client.c */
const char *kv_name_set(struct kv_conn *c, const struct kv_arg *name);
void	 kv_hang_up_all(void *arg);

extern const struct kv_family kv_connection_family, kv_client_family;
extern const struct kv_family kv_command_family, kv_info_family;
extern const struct kv_family kv_config_family, kv_keyspace_family;
extern const struct kv_family kv_generic_family;

#endif
