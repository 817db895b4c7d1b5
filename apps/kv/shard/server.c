/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's state, with the defaults of the options.
 */
#include "shard/server.h"

struct kv_server kv_server = {
	.s_port = 6379,
	.s_bind = "127.0.0.1",
	.s_maxclients = 10000,
	.s_protected = 1,
	.s_inlimit = 1 << 30,
	.s_outlimit = 64 << 20,
	.s_outtime = 10,
	.s_replylimit = 1 << 30,
};
