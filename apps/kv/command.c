/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find commands by name, and COMMAND, which shows the table to clients.
 */
#include "server.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define NSLOTS		512u	/* of the name table; 4 a command */
#define NAME_MAX_LEN	16u

static const struct kv_cmd *slots[NSLOTS];

static const struct {
	unsigned int	 bit;
	const char	*name;
} flag_names[] = {
	{ KV_C_WRITE, "write" }, { KV_C_READ, "readonly" },
	{ KV_C_DENYOOM, "denyoom" }, { KV_C_ADMIN, "admin" },
	{ KV_C_STALE, "loading" }, { KV_C_STALE, "stale" },
	{ KV_C_FAST, "fast" },
};

#define NFLAGS	(sizeof(flag_names) / sizeof(flag_names[0]))

/* The same for small and capital letters. */
static unsigned int
name_hash(const char *name, size_t len)
{
	uint32_t h = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		h = (h + ((unsigned char)name[i] | 0x20)) * 0x9e3779b1;
	return h >> 23;
}

void
kv_command_init(void)
{
	_Static_assert(NSLOTS == 1 << (32 - 23), "the hash has 9 bits");
	for (unsigned int i = 0; i < kv_ncommands; i++) {
		const char *name = kv_commands[i].c_name;
		unsigned int h = name_hash(name, strlen(name));

		assert(strlen(name) <= NAME_MAX_LEN);
		while (slots[h] != NULL)
			h = (h + 1) % NSLOTS;
		slots[h] = &kv_commands[i];
	}
}

const struct kv_cmd *
kv_command_find(const char *name, size_t len)
{
	unsigned int h;

	if (len > NAME_MAX_LEN)
		return NULL;
	for (h = name_hash(name, len); slots[h] != NULL;
	    h = (h + 1) % NSLOTS) {
		if (kv_ieq(name, len, slots[h]->c_name))
			return slots[h];
	}
	return NULL;
}

bool
kv_command_arity(const struct kv_cmd *cmd, int argc)
{
	return cmd->c_arity < 0 ? argc >= -cmd->c_arity :
	    argc == cmd->c_arity;
}

static void
reply_flags(struct kv_reply *r, unsigned int flags)
{
	unsigned int n = 0;

	for (size_t i = 0; i < NFLAGS; i++)
		n += (flags & flag_names[i].bit) != 0;
	kv_reply_set(r, n);
	for (size_t i = 0; i < NFLAGS; i++) {
		if ((flags & flag_names[i].bit) != 0)
			kv_reply_status(r, flag_names[i].name);
	}
}

/* The ten items that COMMAND says about one; the last four are empty. */
static void
reply_command(struct kv_reply *r, const struct kv_cmd *cmd)
{
	if (cmd == NULL) {
		kv_reply_null_array(r);
		return;
	}
	kv_reply_array(r, 10);
	kv_reply_str(r, cmd->c_name);
	kv_reply_int(r, cmd->c_arity);
	reply_flags(r, cmd->c_flags);
	kv_reply_int(r, cmd->c_first);
	kv_reply_int(r, cmd->c_last);
	kv_reply_int(r, cmd->c_step);
	kv_reply_set(r, 0);		/* access categories */
	kv_reply_array(r, 0);		/* tips */
	kv_reply_array(r, 0);		/* key specifications */
	kv_reply_array(r, 0);		/* subcommands */
}

static void
reply_docs(struct kv_reply *r, const struct kv_cmd *cmd)
{
	kv_reply_str(r, cmd->c_name);
	kv_reply_map(r, 3);
	kv_reply_str(r, "summary");
	kv_reply_str(r, cmd->c_summary);
	kv_reply_str(r, "since");
	kv_reply_str(r, cmd->c_since);
	kv_reply_str(r, "group");
	kv_reply_str(r, cmd->c_group);
}

static void
command_docs(struct kv_reply *r, struct kv_arg *argv, int argc)
{
	unsigned int known = 0;

	if (argc == 2) {
		kv_reply_map(r, kv_ncommands);
		for (unsigned int i = 0; i < kv_ncommands; i++)
			reply_docs(r, &kv_commands[i]);
		return;
	}
	for (int i = 2; i < argc; i++)
		known += kv_command_find(argv[i].a_p, argv[i].a_len) != NULL;
	kv_reply_map(r, known);
	for (int i = 2; i < argc; i++) {
		const struct kv_cmd *cmd = kv_command_find(argv[i].a_p,
		    argv[i].a_len);

		if (cmd != NULL)
			reply_docs(r, cmd);
	}
}

static void
command_all(struct kv_reply *r)
{
	kv_reply_array(r, kv_ncommands);
	for (unsigned int i = 0; i < kv_ncommands; i++)
		reply_command(r, &kv_commands[i]);
}

void
kv_cmd_command(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct kv_reply *r = &c->c_out;

	if (argc == 1 || (argc == 2 && kv_arg_is(&argv[1], "info"))) {
		command_all(r);
	} else if (kv_arg_is(&argv[1], "docs")) {
		command_docs(r, argv, argc);
	} else if (kv_arg_is(&argv[1], "count") && argc == 2) {
		kv_reply_int(r, kv_ncommands);
	} else if (kv_arg_is(&argv[1], "info")) {
		kv_reply_array(r, (uint64_t)argc - 2);
		for (int i = 2; i < argc; i++)
			reply_command(r, kv_command_find(argv[i].a_p,
			    argv[i].a_len));
	} else {
		kv_sub_error(c, argv, "command",
		    kv_arg_is(&argv[1], "count"));
	}
}
