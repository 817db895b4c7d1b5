/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INFO: what the server counts, and facts about the server.
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <stdio.h>

/* The lines of INFO: texts, some with one number or two. */
enum { N_PID = KV_NCOUNTERS, N_PORT, N_CPUS, N_UPTIME, N_CONNS, N_MAXCONNS,
    N_REJECTED, N_USED, N_RESIDENT, N_MAXMEMORY, NNUMBERS };

static const struct {
	const char	*section, *text;
	int		 number;
} lines[] = {
	{ "server", "redis_version:" KV_REDIS_VERSION, 0 },
	{ "server", "redis_mode:standalone", 0 },
	{ "server", "process_id:%lu", N_PID },
	{ "server", "tcp_port:%lu", N_PORT },
	{ "server", "cpus:%lu", N_CPUS },
	{ "server", "uptime_in_seconds:%lu", N_UPTIME },
	{ "clients", "connected_clients:%lu", N_CONNS },
	{ "clients", "maxclients:%lu", N_MAXCONNS },
	{ "clients", "blocked_clients:0", 0 },
	{ "memory", "used_memory:%lu", N_USED },
	{ "memory", "used_memory_rss:%lu", N_RESIDENT },
	{ "memory", "maxmemory:%lu", N_MAXMEMORY },
	{ "memory", "maxmemory_policy:noeviction", 0 },
	{ "stats", "total_connections_received:%lu", KV_N_ACCEPTED },
	{ "stats", "total_commands_processed:%lu", KV_N_COMMANDS },
	{ "stats", "total_net_input_bytes:%lu", KV_N_IN },
	{ "stats", "total_net_output_bytes:%lu", KV_N_OUT },
	{ "stats", "rejected_connections:%lu", N_REJECTED },
	{ "stats", "expired_keys:%lu", KV_N_EXPIRED },
	{ "stats", "evicted_keys:0", 0 },
	{ "stats", "keyspace_hits:%lu", KV_N_HITS },
	{ "stats", "keyspace_misses:%lu", KV_N_MISSES },
	{ "replication", "role:master\r\nconnected_slaves:0", 0 },
	{ "keyspace", "db0:keys=%lu,expires=%lu,avg_ttl=0", KV_N_KEYS },
};

/* Add the counters of this shard to the sums, on all shards at once. */
static void
count_here(struct kv_op *op)
{
	struct kv_db *db = op->op_db;
	_Atomic uint64_t *sum = op->op_at;

	db->db_count[KV_N_KEYS] = (uint64_t)db->db_keys->o_dict.d_count;
	db->db_count[KV_N_ENDS] = db->db_ntimers;
	for (int i = 0; i < KV_NCOUNTERS; i++)
		sum[i] += db->db_count[i];
}

/* Return how many bytes of the process are resident, or 0 if unknown. */
static uint64_t
resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Return whether the arguments ask for this section. */
static bool
section_wanted(const struct kv_op *op, const char *section)
{
	const struct kv_arg *a = &op->op_argv[1];

	for (int i = 1; i < op->op_argc; i++, a++) {
		if (kv_arg_is(a, section) || kv_arg_is(a, "default") ||
		    kv_arg_is(a, "all") || kv_arg_is(a, "everything"))
			return true;
	}
	return op->op_argc == 1;
}

/* INFO */
static void
info(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_fn = count_here };
	_Atomic uint64_t n[NNUMBERS + 1] = {
		[N_PID] = (uint64_t)getpid(), [N_PORT] = kv_server.s_port,
		[N_CPUS] = kv_server.s_ncpus,
		[N_UPTIME] = (uint64_t)(kv_clock_ms() - kv_server.s_since) /
		    1000,
		[N_CONNS] = kv_server.s_conns,
		[N_MAXCONNS] = kv_server.s_maxclients,
		[N_REJECTED] = kv_server.s_rejected,
		[N_USED] = kv_mem_used(), [N_RESIDENT] = resident(),
		[N_MAXMEMORY] = kv_server.s_maxmemory,
	};
	const char *section = "";
	struct kv_reply t = { 0 };

	op->op_at = n;
	kv_everywhere(op, &part);
	kv_say_text(&t, "%s", "");		/* a piece, even if empty */
	for (size_t i = 0; i < KV_COUNT(lines); i++) {
		if (!section_wanted(op, lines[i].section))
			continue;
		if (strcmp(section, lines[i].section) != 0) {
			section = lines[i].section;
			kv_say_text(&t, "%s# %c%s\r\n", t.r_pending > 0 ?
			    "\r\n" : "", toupper(section[0]), section + 1);
		}
		if (lines[i].number != KV_N_KEYS || n[KV_N_KEYS] > 0) {
			kv_say_text(&t, lines[i].text, n[lines[i].number],
			    n[lines[i].number + 1]);
			kv_say_text(&t, "\r\n");
		}
	}
	kv_say_verbatim(op->op_out, &t);
	kv_reply_free(&t);
}

static struct kv_cmd rows[] = {
	KV_CONN("info", -1, KV_LOADING, info),
};

const struct kv_family kv_info_family = KV_FAMILY("server", KV_ANY, rows);
