/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All families of commands, in the order in which COMMAND shows them.
 */
#include "cmd/cmd.h"

static const struct kv_family *const families[] = {
	&kv_connection_family, &kv_client_family, &kv_command_family,
	&kv_info_family, &kv_config_family, &kv_keyspace_family,
	&kv_generic_family, &kv_string_family, &kv_list_family,
	&kv_hash_family, &kv_set_family, &kv_zset_family,
};

/* Make the table of commands. */
void
kv_command_init(void)
{
	for (size_t i = 0; i < KV_COUNT(families); i++)
		kv_command_add(families[i]);
}
