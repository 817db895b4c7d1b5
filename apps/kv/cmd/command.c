/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands, found by name; their subcommands; and COMMAND, which
 * shows the table.
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <stdio.h>

#define NAME_MAX_LEN	16u

struct entry {
	struct kv_node	 n_node;
	const struct kv_cmd *n_cmd;
	char		 n_name[];
};

static struct kv_dict by_name = { .d_keyoff = offsetof(struct entry, n_name) };
static const struct kv_cmd *all[128];
static unsigned int ncommands;

/* Add a row to the table; a subcommand's name has a bar. */
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
		kv_die("the table of commands is full");
	all[ncommands++] = cmd;
}

/* Add the rows of a family to the table.  Context: the start. */
void
kv_command_add(const struct kv_family *f)
{
	for (size_t i = 0; i < f->f_nrows; i++)
		add_row(&f->f_rows[i], f);
}

/* Find a row by its name, in lower or upper case. */
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

/* Find a command; clients may not name rows with a bar. */
const struct kv_cmd *
kv_command_find(const struct kv_arg *name)
{
	return memchr(name->a_p, '|', name->a_len) == NULL ? find(name) : NULL;
}

/* Return whether the command takes this number of arguments. */
bool
kv_arity_ok(const struct kv_cmd *cmd, int argc)
{
	return cmd->c_arity < 0 ? argc >= -cmd->c_arity :
	    argc == cmd->c_arity;
}

/* Run CLIENT, COMMAND or CONFIG: argument 1 says which of its rows it is. */
void
kv_subcommand(struct kv_op *op)
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

/* Reply the ten items of a command that COMMAND shows; four are empty. */
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

/* Reply the items of a command that COMMAND DOCS shows. */
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

/* Return command i of those named, or of all.  Returns NULL if none is left. */
static const struct kv_cmd *
named(struct kv_op *op, int i)
{
	return op->op_argc > 2 ? kv_command_find(&op->op_argv[2 + i]) : all[i];
}

/* COMMAND, COMMAND INFO and COMMAND DOCS: the commands named, or all. */
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

/* COMMAND COUNT */
static void
command_count(struct kv_op *op)
{
	kv_say_int(op->op_out, ncommands);
}

/* COMMAND */
static void
command(struct kv_op *op)
{
	(op->op_argc == 1 ? command_info : kv_subcommand)(op);
}

static struct kv_cmd rows[] = {
	KV_CONN("command", -1, KV_LOADING, command),
	KV_CONN("command|info", -2, 0, command_info),
	KV_CONN("command|docs", -2, 0, command_info, .c_how = KV_HOW1),
	KV_CONN("command|count", 2, 0, command_count),
};

const struct kv_family kv_command_family = KV_FAMILY("server", KV_ANY, rows);
