/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands about the connection and the server; COMMAND, and the table of
 * commands that it shows, made of the rows of all files and found by name.
 */
#include "server.h"

#include <ctype.h>
#include <stdio.h>

#define NAME_MAX_LEN	16u

static const struct kv_family *const families[] = {
	&kv_connection_family, &kv_server_family, &kv_keyspace_family,
	&kv_generic_family, &kv_string_family, &kv_list_family,
	&kv_hash_family, &kv_set_family, &kv_zset_family,
	&kv_client_family, &kv_config_family,
};

struct entry {
	struct kv_node	 n_node;
	const struct kv_cmd *n_cmd;
	char		 n_name[];
};

static struct kv_dict by_name = { .d_keyoff = offsetof(struct entry, n_name) };
static const struct kv_cmd *all[128];
static unsigned int ncommands;

static void
add_row(struct kv_cmd *cmd, const struct kv_family *f)
{
	size_t len = strlen(cmd->c_name);
	struct kv_node *n = kv_dict_add(&by_name, kv_hash(cmd->c_name, len),
	    cmd->c_name, len);

	((struct entry *)n)->n_cmd = cmd;
	kv_row_init(cmd, f);
	if (strchr(cmd->c_name, '|') != NULL)
		return;
	if (ncommands == KV_COUNT(all))
		kv_die("too many commands");
	all[ncommands++] = cmd;
}

void
kv_command_init(void)
{
	for (size_t f = 0; f < KV_COUNT(families); f++) {
		for (size_t i = 0; i < families[f]->f_nrows; i++)
			add_row(&families[f]->f_rows[i], families[f]);
	}
}

static const struct kv_cmd *
find(const struct kv_arg *name)
{
	char small[NAME_MAX_LEN];
	struct kv_node *n;

	if (name->a_len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < name->a_len; i++)
		small[i] = (char)tolower((unsigned char)name->a_p[i]);
	n = kv_dict_find(&by_name, kv_hash(small, name->a_len), small,
	    name->a_len);
	return n != NULL ? ((struct entry *)n)->n_cmd : NULL;
}

/* A command; its rows with a bar are not for clients to name. */
const struct kv_cmd *
kv_command_find(const struct kv_arg *name)
{
	return memchr(name->a_p, '|', name->a_len) == NULL ? find(name) : NULL;
}

bool
kv_arity_ok(const struct kv_cmd *cmd, int argc)
{
	return cmd->c_arity < 0 ? argc >= -cmd->c_arity :
	    argc == cmd->c_arity;
}

/* CLIENT, COMMAND and CONFIG: argument 1 says which of their rows it is. */
static void
subcommand(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[1];
	size_t len = strlen(op->op_cmd->c_name);
	size_t whole = len + 1 + a->a_len;
	char name[NAME_MAX_LEN];
	const struct kv_cmd *sub = NULL;

	memcpy(name, op->op_cmd->c_name, len);
	name[len] = '|';
	if (whole <= sizeof(name)) {
		memcpy(name + len + 1, a->a_p, a->a_len);
		sub = find(&(struct kv_arg){ .a_p = name, .a_len = whole });
	}
	if (sub == NULL) {
		for (size_t i = 0; i < len; i++)
			name[i] = (char)toupper((unsigned char)name[i]);
		kv_say_error(op->op_out, "ERR unknown subcommand '%.*s'. "
		    "Try %.*s HELP.", kv_arg_show(a), a->a_p, (int)len, name);
		return;
	}
	op->op_cmd = sub;
	op->op_words = sub->c_how;
	if (kv_arity_ok(sub, op->op_argc))
		kv_exec_conn(op);
	else
		kv_op_fail(op, KV_E_ARITY);
}

/* The ten items that COMMAND says about one; the last four are empty. */
static void
say_command(struct kv_reply *r, const struct kv_cmd *cmd)
{
	static const char *const names[] = {
		"write", "readonly", "denyoom", "admin", "fast", "loading",
	};

	kv_say_many(r, '*', cmd != NULL ? 10 : -1);
	if (cmd == NULL)
		return;
	kv_say_str(r, cmd->c_name);
	kv_say_int(r, cmd->c_arity);
	kv_say_many(r, '~', __builtin_popcount(cmd->c_flags &
	    ((1u << KV_COUNT(names)) - 1)));
	for (size_t i = 0; i < KV_COUNT(names); i++) {
		if ((cmd->c_flags >> i & 1) != 0)
			kv_say_status(r, names[i]);
	}
	kv_say_int(r, cmd->c_keys != 0);
	kv_say_int(r, cmd->c_keys);
	kv_say_int(r, cmd->c_step);
	for (int i = 0; i < 4; i++)
		kv_say_many(r, '*', 0);
}

static void
say_docs(struct kv_reply *r, const struct kv_cmd *cmd)
{
	char where[64];

	if (cmd == NULL)
		return;
	snprintf(where, sizeof(where), "See https://redis.io/commands/%s",
	    cmd->c_name);
	kv_say_str(r, cmd->c_name);
	kv_say_many(r, '%', 2);
	kv_say_str(r, "summary");
	kv_say_str(r, where);
	kv_say_str(r, "group");
	kv_say_str(r, cmd->c_family->f_group);
}

/* Command i of those named, or of all; NULL: there is no such command. */
static const struct kv_cmd *
named(struct kv_op *op, int i)
{
	return op->op_argc > 2 ? kv_command_find(&op->op_argv[2 + i]) : all[i];
}

/* COMMAND, COMMAND INFO and COMMAND DOCS: those named, or all. */
static void
command_info(struct kv_op *op)
{
	bool docs = op->op_words == KV_HOW1;
	int n = op->op_argc > 2 ? op->op_argc - 2 : (int)ncommands, known = 0;

	for (int i = 0; i < n; i++) {
		known += named(op, i) != NULL;
		if (i % KV_STEPS == 0 && !kv_pause(op))
			return;
	}
	kv_say_many(op->op_out, docs ? '%' : '*', docs ? known : n);
	for (int i = 0; i < n; i++) {
		(docs ? say_docs : say_command)(op->op_out, named(op, i));
		if (i % KV_STEPS == 0 && !kv_pause(op))
			return;
	}
}

static void
command_count(struct kv_op *op)
{
	kv_say_int(op->op_out, ncommands);
}

static void
command(struct kv_op *op)
{
	(op->op_argc == 1 ? command_info : subcommand)(op);
}

static void
ping(struct kv_op *op)
{
	if (op->op_argc > 2)
		kv_op_fail(op, KV_E_ARITY);
	else if (op->op_argc == 2)
		kv_say_arg(op->op_out, &op->op_argv[1]);
	else
		kv_say_status(op->op_out, "PONG");
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
	if (op->op_int[0] != 0)
		kv_op_fail(op, "ERR DB index is out of range");
	else
		kv_say_ok(op->op_out);
}

/* The only user there is; any password is its own. */
static bool
is_default_user(const struct kv_arg *a)
{
	static const char name[] = "default";

	return a->a_len == sizeof(name) - 1 &&
	    memcmp(a->a_p, name, a->a_len) == 0;
}

/*
 * Carry out the options of HELLO, one after the other; false: one is wrong,
 * which is replied.  As in Redis, those before it have been carried out.
 */
static bool
hello_options(struct kv_op *op)
{
	const struct kv_arg *a = &op->op_argv[2], *end;
	const char *wrong = NULL;

	for (end = op->op_argv + op->op_argc; a < end && wrong == NULL;) {
		if (kv_arg_is(a, "auth") && end - a > 2) {
			if (!is_default_user(&a[1]))
				wrong = "WRONGPASS invalid username-password "
				    "pair or user is disabled.";
			a += 3;
		} else if (kv_arg_is(a, "setname") && end - a > 1) {
			wrong = kv_name_set(op->op_conn, &a[1]);
			a += 2;
		} else {
			kv_say_error(op->op_out, "ERR Syntax error in HELLO "
			    "option '%.*s'", kv_arg_show(a), a->a_p);
			return false;
		}
	}
	if (wrong != NULL)
		kv_op_fail(op, wrong);
	return wrong == NULL;
}

/* HELLO [version [AUTH user password] [SETNAME name]] */
static void
hello(struct kv_op *op)
{
	struct kv_reply *r = op->op_out;
	int64_t version = r->r_resp3 ? 3 : 2;

	if (op->op_argc > 1 && !kv_arg_i64(&op->op_argv[1], &version)) {
		kv_op_fail(op, "ERR Protocol version is not an integer or out "
		    "of range");
		return;
	}
	if (version != 2 && version != 3) {
		kv_op_fail(op, "NOPROTO unsupported protocol version");
		return;
	}
	if (!hello_options(op))
		return;
	r->r_resp3 = version == 3;
	kv_say_many(r, '%', 7);
	kv_say_str(r, "server");
	kv_say_str(r, "redis");
	kv_say_str(r, "version");
	kv_say_str(r, KV_REDIS_VERSION);
	kv_say_str(r, "proto");
	kv_say_int(r, version);
	kv_say_str(r, "id");
	kv_say_int(r, (int64_t)op->op_conn->c_id);
	kv_say_str(r, "mode");
	kv_say_str(r, "standalone");
	kv_say_str(r, "role");
	kv_say_str(r, "master");
	kv_say_str(r, "modules");
	kv_say_many(r, '*', 0);
}

/* What INFO says: texts, with a number or two in them. */
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

/* Add the counters of this shard to those of all, one shard after the other. */
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
	kv_say_text(&t, "%s", "");		/* be it nothing */
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

static struct kv_cmd connection_rows[] = {
	KV_CONN("ping", -1, "Ft", ping),
	KV_CONN("echo", 2, "Ft", ping),
	KV_CONN("quit", -1, "Ft", quit),
	KV_CONN("hello", -1, "Ft", hello),
	KV_CONN("select", 2, "Ft", select_db, .c_ints = "1"),
	KV_CONN("client", -2, "t", subcommand),
};

static struct kv_cmd server_rows[] = {
	KV_CONN("command", -1, "t", command),
	KV_CONN("command|info", -2, "", command_info),
	KV_CONN("command|docs", -2, "", command_info, .c_how = KV_HOW1),
	KV_CONN("command|count", 2, "", command_count),
	KV_CONN("info", -1, "t", info),
	KV_CONN("config", -2, "at", subcommand),
};

const struct kv_family kv_connection_family =
    KV_FAMILY("connection", KV_ANY, connection_rows);
const struct kv_family kv_server_family =
    KV_FAMILY("server", KV_ANY, server_rows);
