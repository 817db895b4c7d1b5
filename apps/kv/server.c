/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands about the connection and the server: PING and the like, HELLO, and
 * INFO, what the server is and what it has done, summed over the CPUs.
 */
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

static void
ping(struct kv_op *op)
{
	if (op->op_argc > 2)
		kv_op_arity(op);
	else if (op->op_argc == 2)
		kv_say_bulk(op->op_out, op->op_argv[1].a_p,
		    op->op_argv[1].a_len);
	else
		kv_say_status(op->op_out, "PONG");
}

static void
echo(struct kv_op *op)
{
	kv_say_bulk(op->op_out, op->op_argv[1].a_p, op->op_argv[1].a_len);
}

static void
quit(struct kv_op *op)
{
	kv_say_ok(op->op_out);
	op->op_conn->c_close = true;
}

static void
select_db(struct kv_op *op)
{
	int64_t db;

	if (!kv_op_int(op, 1, &db))
		return;
	if (db != 0)
		kv_op_fail(op, "ERR DB index is out of range");
	else
		kv_say_ok(op->op_out);
}

static void
say_hello(struct kv_reply *r, uint64_t id)
{
	static const char *const texts[][2] = {
		{ "server", "redis" }, { "version", KV_REDIS_VERSION },
		{ "mode", "standalone" }, { "role", "master" },
	};

	kv_say_many(r, '%', 7);
	for (size_t i = 0; i < KV_COUNT(texts); i++) {
		kv_say_str(r, texts[i][0]);
		kv_say_str(r, texts[i][1]);
		if (i == 1) {
			kv_say_str(r, "proto");
			kv_say_int(r, r->r_resp3 ? 3 : 2);
			kv_say_str(r, "id");
			kv_say_int(r, (int64_t)id);
		}
	}
	kv_say_str(r, "modules");
	kv_say_many(r, '*', 0);
}

/* HELLO [version [AUTH default password] [SETNAME name]]; no password is. */
static void
hello(struct kv_op *op)
{
	const struct kv_arg *argv = op->op_argv;
	int64_t version = op->op_out->r_resp3 ? 3 : 2;
	int name = op->op_val[0], auth = op->op_val[1], end = op->op_end;

	if (op->op_argc > 1 && !kv_arg_i64(&argv[1], &version)) {
		kv_op_fail(op, "ERR Protocol version is not an integer or "
		    "out of range");
		return;
	}
	if (version != 2 && version != 3) {
		kv_op_fail(op, "NOPROTO unsupported protocol version");
		return;
	}
	if (name != 0 && !kv_name_ok(op, &argv[name]))
		return;
	if (auth != 0 && !kv_arg_is(&argv[auth], "default"))
		end = auth - 1;
	if (end < op->op_argc) {
		kv_say_error(op->op_out, "ERR Syntax error in HELLO option "
		    "'%.*s'", kv_arg_show(&argv[end]), argv[end].a_p);
		return;
	}
	if (name != 0)
		kv_name_set(op->op_conn, &argv[name]);
	op->op_out->r_resp3 = version == 3;
	say_hello(op->op_out, op->op_conn->c_id);
}

/* The counters of this shard, into those of all. */
static void
stats_here(struct kv_op *op)
{
	struct kv_db *db = op->op_db;
	uint64_t *to = (uint64_t *)op->op_at + op->op_shard * KV_NCOUNTERS;

	db->db_count[KV_N_KEYS] = db->db_keys->o_dict.d_count;
	db->db_count[KV_N_ENDS] = db->db_timers;
	memcpy(to, db->db_count, sizeof(db->db_count));
}

/* The counters of all CPUs, summed; to be freed. */
static uint64_t *
sum_stats(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_fn = stats_here };
	unsigned int n = kv_server.s_ncpus;
	uint64_t *all = kv_zalloc(n * KV_NCOUNTERS * sizeof(*all));

	op->op_at = all;
	kv_collect(op, kv_everywhere(op, &part));
	for (unsigned int i = KV_NCOUNTERS; i < n * KV_NCOUNTERS; i++)
		all[i % KV_NCOUNTERS] += all[i];
	return all;
}

static unsigned long
resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static void
info_server(struct kv_reply *t)
{
	int64_t up = (kv_clock_ms() - kv_server.s_since) / 1000;

	kv_say_text(t, "redis_version:" KV_REDIS_VERSION "\r\n"
	    "redis_mode:standalone\r\nlwkt_version:%s\r\narch_bits:64\r\n"
	    "process_id:%d\r\ntcp_port:%lu\r\ncpus:%u\r\n"
	    "uptime_in_seconds:%ld\r\nuptime_in_days:%ld\r\n",
	    lwkt_version(), (int)getpid(), kv_server.s_port,
	    kv_server.s_ncpus, (long)up, (long)(up / 86400));
}

static void
info_memory(struct kv_reply *t)
{
	size_t used = kv_mem_used();

	kv_say_text(t, "used_memory:%zu\r\nused_memory_human:%.2fM\r\n"
	    "used_memory_rss:%lu\r\nmaxmemory:%lu\r\n"
	    "maxmemory_policy:noeviction\r\n", used,
	    (double)used / (1 << 20), resident(), kv_server.s_maxmemory);
}

static void
info_stats(struct kv_reply *t, const uint64_t *n)
{
	kv_say_text(t, "total_connections_received:%lu\r\n"
	    "total_commands_processed:%lu\r\ntotal_net_input_bytes:%lu\r\n"
	    "total_net_output_bytes:%lu\r\nrejected_connections:%lu\r\n"
	    "expired_keys:%lu\r\nevicted_keys:0\r\nkeyspace_hits:%lu\r\n"
	    "keyspace_misses:%lu\r\n", n[KV_N_ACCEPTED], n[KV_N_COMMANDS],
	    n[KV_N_IN], n[KV_N_OUT], kv_server.s_rejected, n[KV_N_EXPIRED],
	    n[KV_N_HITS], n[KV_N_MISSES]);
}

static void
info_cpu(struct kv_reply *t)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	kv_say_text(t, "used_cpu_sys:%ld.%06ld\r\n"
	    "used_cpu_user:%ld.%06ld\r\n", (long)ru.ru_stime.tv_sec,
	    (long)ru.ru_stime.tv_usec, (long)ru.ru_utime.tv_sec,
	    (long)ru.ru_utime.tv_usec);
}

/* Is this section wanted?  Then its title is there already. */
static bool
section(struct kv_op *op, struct kv_reply *t, const char *title, bool usual)
{
	bool want = op->op_argc == 1 && usual;

	for (int i = 1; i < op->op_argc; i++) {
		const struct kv_arg *a = &op->op_argv[i];

		want |= (a->a_len == strlen(title) &&
		    strncasecmp(a->a_p, title, a->a_len) == 0) ||
		    kv_arg_is(a, "all") || kv_arg_is(a, "everything") ||
		    (usual && kv_arg_is(a, "default"));
	}
	if (want)
		kv_say_text(t, "%s# %s\r\n", t->r_len > 0 ? "\r\n" : "",
		    title);
	return want;
}

static void
info(struct kv_op *op)
{
	uint64_t *n = sum_stats(op);
	const struct kv_cmd *cmd;
	struct kv_reply t = { 0 };

	kv_say_text(&t, "%s", "");		/* be it nothing */
	if (section(op, &t, "Server", true))
		info_server(&t);
	if (section(op, &t, "Clients", true))
		kv_say_text(&t, "connected_clients:%lu\r\nmaxclients:%lu\r\n"
		    "blocked_clients:0\r\n", kv_server.s_conns,
		    kv_server.s_maxclients);
	if (section(op, &t, "Memory", true))
		info_memory(&t);
	if (section(op, &t, "Stats", true))
		info_stats(&t, n);
	if (section(op, &t, "Replication", true))
		kv_say_text(&t, "role:master\r\nconnected_slaves:0\r\n");
	if (section(op, &t, "CPU", true))
		info_cpu(&t);
	if (section(op, &t, "Commandstats", false)) {
		for (unsigned int i = 0; (cmd = kv_command(i)) != NULL; i++) {
			if (n[KV_N_CALLS + i] != 0)
				kv_say_text(&t, "cmdstat_%s:calls=%lu\r\n",
				    cmd->c_name, n[KV_N_CALLS + i]);
		}
	}
	if (section(op, &t, "Keyspace", true) && n[KV_N_KEYS] != 0)
		kv_say_text(&t, "db0:keys=%lu,expires=%lu,avg_ttl=0\r\n",
		    n[KV_N_KEYS], n[KV_N_ENDS]);
	kv_say_verbatim(op->op_out, t.r_buf, t.r_len);
	kv_reply_free(&t);
	kv_free(n);
}

static struct kv_cmd connection_rows[] = {
	KV_CONN("ping", -1, "Ft", ping, "1.0.0", "Ping the server"),
	KV_CONN("echo", 2, "Ft", echo, "1.0.0", "Echo the given string"),
	KV_CONN("quit", -1, "Ft", quit, "1.0.0", "Close the connection"),
	KV_CONN("hello", -1, "Ft", hello, "6.0.0",
	    "Handshake, and choice of the protocol",
	    .c_words = KV_SETNAME | KV_AUTH, .c_from = 2),
	KV_CONN("select", 2, "Ft", select_db, "1.0.0",
	    "Change the selected database"),
	KV_CONN("client", -2, "t", kv_subcommand, "2.4.0",
	    "Connections: SETNAME, GETNAME, ID, LIST, KILL",
	    .c_subs = &kv_client_subs),
};

static struct kv_cmd server_rows[] = {
	KV_CONN("command", -1, "t", kv_cmd_command, "2.8.13",
	    "Details of the commands", .c_subs = &kv_command_subs),
	KV_CONN("info", -1, "t", info, "1.0.0",
	    "Information and statistics about the server"),
	KV_CONN("config", -2, "at", kv_subcommand, "2.0.0",
	    "Parameters: GET, SET, RESETSTAT", .c_subs = &kv_config_subs),
};

const struct kv_family kv_connection_family =
    KV_FAMILY("connection", KV_ANY, connection_rows);
const struct kv_family kv_server_family =
    KV_FAMILY("server", KV_ANY, server_rows);
