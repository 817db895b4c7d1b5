/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands: made of the rows of the other files, found by name;
 * and COMMAND, which shows it to clients.
 */
#include "server.h"

#include <string.h>

#define NSLOTS		512u	/* of the name table; 4 a command */
#define HASH_BITS	9
#define NAME_MAX_LEN	16u

static const struct kv_family *const families[] = {
	&kv_connection_family, &kv_server_family, &kv_keyspace_family,
	&kv_generic_family, &kv_string_family, &kv_list_family,
	&kv_hash_family, &kv_set_family, &kv_zset_family,
};

static const struct kv_cmd *slots[NSLOTS];
static const struct kv_cmd *all[KV_NCOUNTERS - KV_N_CALLS];
static unsigned int ncommands;

/* The same for small and capital letters. */
static unsigned int
name_hash(const char *name, size_t len)
{
	uint32_t h = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		h = (h + ((unsigned char)name[i] | 0x20)) * 0x9e3779b1;
	return h >> (32 - HASH_BITS);
}

static void
read_row(struct kv_cmd *cmd, const struct kv_family *f)
{
	for (const char *p = cmd->c_letters; *p != '\0'; p++)
		cmd->c_flags |= 1u << (strchr(KV_FLAG_LETTERS, *p) -
		    KV_FLAG_LETTERS);
	if (f->f_type != KV_ANY && (cmd->c_flags & KV_R) != 0)
		cmd->c_flags |= KV_LOOK;
	cmd->c_family = f;
	cmd->c_type = f->f_type;
	for (size_t i = 0; cmd->c_subs != NULL && i < cmd->c_subs->f_nrows;
	    i++)
		read_row(&cmd->c_subs->f_rows[i], cmd->c_subs);
}

static void
add_command(struct kv_cmd *cmd)
{
	unsigned int h = name_hash(cmd->c_name, strlen(cmd->c_name));

	if (ncommands == KV_COUNT(all))
		kv_die("too many commands");
	cmd->c_id = ncommands;
	all[ncommands++] = cmd;
	while (slots[h] != NULL)
		h = (h + 1) % NSLOTS;
	slots[h] = cmd;
}

void
kv_command_init(void)
{
	for (size_t f = 0; f < KV_COUNT(families); f++) {
		for (size_t i = 0; i < families[f]->f_nrows; i++) {
			read_row(&families[f]->f_rows[i], families[f]);
			add_command(&families[f]->f_rows[i]);
		}
	}
}

/* Command number id, NULL behind the last. */
const struct kv_cmd *
kv_command(unsigned int id)
{
	return id < ncommands ? all[id] : NULL;
}

const struct kv_cmd *
kv_command_find(const struct kv_arg *name)
{
	unsigned int h;

	if (name->a_len > NAME_MAX_LEN)
		return NULL;
	h = name_hash(name->a_p, name->a_len);
	while (slots[h] != NULL && !kv_arg_is(name, slots[h]->c_name))
		h = (h + 1) % NSLOTS;
	return slots[h];
}

bool
kv_arity_ok(const struct kv_cmd *cmd, int argc)
{
	return cmd->c_arity < 0 ? argc >= -cmd->c_arity :
	    argc == cmd->c_arity;
}

/* A command with subcommands: argument 1 says which. */
void
kv_subcommand(struct kv_op *op)
{
	const struct kv_family *subs = op->op_cmd->c_subs;
	const struct kv_arg *a = &op->op_argv[1];

	for (size_t i = 0; i < subs->f_nrows; i++) {
		const struct kv_cmd *sub = &subs->f_rows[i];

		if (!kv_arg_is(a, sub->c_name))
			continue;
		if (!kv_arity_ok(sub, op->op_argc)) {
			kv_say_error(op->op_out, "ERR wrong number of "
			    "arguments for '%s|%s' command",
			    op->op_cmd->c_name, sub->c_name);
			return;
		}
		op->op_cmd = sub;
		kv_exec_conn(op);
		return;
	}
	kv_say_error(op->op_out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
	    kv_arg_show(a), a->a_p, subs->f_group);
}

static void
say_flags(struct kv_reply *r, unsigned int flags)
{
	static const struct {
		unsigned int	 bit;
		const char	*name;
	} names[] = {
		{ KV_W, "write" }, { KV_R, "readonly" },
		{ KV_OOM, "denyoom" }, { KV_ADMIN, "admin" },
		{ KV_STALE, "loading" }, { KV_STALE, "stale" },
		{ KV_FAST, "fast" },
	};
	int n = 0;

	for (size_t i = 0; i < KV_COUNT(names); i++)
		n += (flags & names[i].bit) != 0;
	kv_say_many(r, '~', n);
	for (size_t i = 0; i < KV_COUNT(names); i++) {
		if ((flags & names[i].bit) != 0)
			kv_say_status(r, names[i].name);
	}
}

/* The ten items that COMMAND says about one; the last four are empty. */
static void
say_command(struct kv_reply *r, const struct kv_cmd *cmd)
{
	if (cmd == NULL) {
		kv_say_many(r, '*', -1);
		return;
	}
	kv_say_many(r, '*', 10);
	kv_say_str(r, cmd->c_name);
	kv_say_int(r, cmd->c_arity);
	say_flags(r, cmd->c_flags);
	kv_say_int(r, cmd->c_keys != 0);
	kv_say_int(r, cmd->c_keys);
	kv_say_int(r, cmd->c_step);
	kv_say_many(r, '~', 0);		/* access categories */
	kv_say_many(r, '*', 0);		/* tips */
	kv_say_many(r, '*', 0);		/* key specifications */
	kv_say_many(r, '*', 0);		/* subcommands */
}

static void
say_docs(struct kv_reply *r, const struct kv_cmd *cmd)
{
	kv_say_str(r, cmd->c_name);
	kv_say_many(r, '%', 3);
	kv_say_str(r, "summary");
	kv_say_str(r, cmd->c_summary);
	kv_say_str(r, "since");
	kv_say_str(r, cmd->c_since);
	kv_say_str(r, "group");
	kv_say_str(r, cmd->c_family->f_group);
}

/* Command i of those named, or of all; NULL: there is no such command. */
static const struct kv_cmd *
named(struct kv_op *op, int i)
{
	return op->op_argc > 2 ? kv_command_find(&op->op_argv[2 + i]) : all[i];
}

static void
command_info(struct kv_op *op)
{
	int n = op->op_argc > 2 ? op->op_argc - 2 : (int)ncommands;

	kv_say_many(op->op_out, '*', n);
	for (int i = 0; i < n; i++)
		say_command(op->op_out, named(op, i));
}

static void
command_docs(struct kv_op *op)
{
	int n = op->op_argc > 2 ? op->op_argc - 2 : (int)ncommands, known = 0;

	for (int i = 0; i < n; i++)
		known += named(op, i) != NULL;
	kv_say_many(op->op_out, '%', known);
	for (int i = 0; i < n; i++) {
		if (named(op, i) != NULL)
			say_docs(op->op_out, named(op, i));
	}
}

static void
command_count(struct kv_op *op)
{
	kv_say_int(op->op_out, ncommands);
}

static struct kv_cmd subs[] = {
	KV_SUB("info", -2, "", command_info),
	KV_SUB("docs", -2, "", command_docs),
	KV_SUB("count", 2, "", command_count),
};

const struct kv_family kv_command_subs = KV_FAMILY("COMMAND", KV_ANY, subs);

void
kv_cmd_command(struct kv_op *op)
{
	if (op->op_argc == 1)
		command_info(op);
	else
		kv_subcommand(op);
}
