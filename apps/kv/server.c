/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands about the connection itself.
 */
#include "server.h"

#include <string.h>

void
kv_cmd_ping(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	if (argc > 2)
		kv_reply_error(&c->c_out, "ERR wrong number of arguments for "
		    "'ping' command");
	else if (argc == 2)
		kv_reply_bulk(&c->c_out, argv[1].a_p, argv[1].a_len);
	else
		kv_reply_status(&c->c_out, "PONG");
}

void
kv_cmd_echo(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	(void)argc;
	kv_reply_bulk(&c->c_out, argv[1].a_p, argv[1].a_len);
}

void
kv_cmd_quit(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	(void)argv;
	(void)argc;
	kv_reply_status(&c->c_out, "OK");
	c->c_close = true;
}

void
kv_cmd_select(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	int64_t db;

	(void)argc;
	if (!kv_parse_i64(argv[1].a_p, argv[1].a_len, &db))
		kv_reply_error(&c->c_out,
		    "ERR value is not an integer or out of range");
	else if (db != 0)
		kv_reply_error(&c->c_out, "ERR DB index is out of range");
	else
		kv_reply_status(&c->c_out, "OK");
}

/* A client's name has no spaces and nothing that cannot be printed. */
bool
kv_name_ok(struct kv_conn *c, const struct kv_arg *name)
{
	for (size_t i = 0; i < name->a_len; i++) {
		if (name->a_p[i] < '!' || name->a_p[i] > '~') {
			kv_reply_error(&c->c_out, "ERR Client names cannot "
			    "contain spaces, newlines or special "
			    "characters.");
			return false;
		}
	}
	if (name->a_len > KV_NAMELEN) {
		kv_reply_error(&c->c_out, "ERR Client names have at most %d "
		    "characters.", KV_NAMELEN);
		return false;
	}
	return true;
}

void
kv_name_set(struct kv_conn *c, const struct kv_arg *name)
{
	memcpy(c->c_name, name->a_p, name->a_len);
	c->c_name[name->a_len] = '\0';
}

static void
hello_reply(struct kv_conn *c)
{
	struct kv_reply *r = &c->c_out;

	kv_reply_map(r, 7);
	kv_reply_str(r, "server");
	kv_reply_str(r, "redis");
	kv_reply_str(r, "version");
	kv_reply_str(r, KV_REDIS_VERSION);
	kv_reply_str(r, "proto");
	kv_reply_int(r, r->r_resp3 ? 3 : 2);
	kv_reply_str(r, "id");
	kv_reply_int(r, (int64_t)c->c_id);
	kv_reply_str(r, "mode");
	kv_reply_str(r, "standalone");
	kv_reply_str(r, "role");
	kv_reply_str(r, "master");
	kv_reply_str(r, "modules");
	kv_reply_array(r, 0);
}

/* HELLO [version [AUTH default password] [SETNAME name]] */
void
kv_cmd_hello(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	const struct kv_arg *name = NULL;
	int64_t version = c->c_out.r_resp3 ? 3 : 2;
	int i;

	if (argc > 1) {
		if (!kv_parse_i64(argv[1].a_p, argv[1].a_len, &version)) {
			kv_reply_error(&c->c_out, "ERR Protocol version is "
			    "not an integer or out of range");
			return;
		}
		if (version != 2 && version != 3) {
			kv_reply_error(&c->c_out,
			    "NOPROTO unsupported protocol version");
			return;
		}
	}
	for (i = 2; i < argc; i++) {
		if (kv_arg_is(&argv[i], "setname") && i + 1 < argc) {
			name = &argv[++i];
			if (!kv_name_ok(c, name))
				return;
		} else if (kv_arg_is(&argv[i], "auth") && i + 2 < argc &&
		    kv_arg_is(&argv[i + 1], "default")) {
			i += 2;		/* there is no password */
		} else {
			kv_reply_error(&c->c_out,
			    "ERR Syntax error in HELLO option '%.*s'",
			    argv[i].a_len < 64 ? (int)argv[i].a_len : 64,
			    argv[i].a_p);
			return;
		}
	}
	if (name != NULL)
		kv_name_set(c, name);
	c->c_out.r_resp3 = version == 3;
	hello_reply(c);
}

/* A subcommand that is not there, or (known) with the wrong arguments. */
void
kv_sub_error(struct kv_conn *c, struct kv_arg *argv, const char *command,
    bool known)
{
	char sub[129];
	size_t len = argv[1].a_len < 128 ? argv[1].a_len : 128;

	memcpy(sub, argv[1].a_p, len);
	sub[len] = '\0';
	if (known) {
		for (char *p = sub; *p != '\0'; p++) {
			if (*p >= 'A' && *p <= 'Z')
				*p |= 0x20;
		}
		kv_reply_error(&c->c_out, "ERR wrong number of arguments for "
		    "'%s|%s' command", command, sub);
	} else {
		char upper[16];

		for (size_t i = 0; i <= strlen(command); i++)
			upper[i] = command[i] >= 'a' ?
			    (char)(command[i] - 0x20) : command[i];
		kv_reply_error(&c->c_out, "ERR unknown subcommand '%s'. "
		    "Try %s HELP.", sub, upper);
	}
}
