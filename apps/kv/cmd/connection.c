/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands about the connection.
 */
#include "cmd/cmd.h"

/* PING, ECHO */
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

/* QUIT */
static void
quit(struct kv_op *op)
{
	kv_say_ok(op->op_out);
	op->op_conn->c_close = true;
}

/* SELECT: there is one database. */
static void
select_db(struct kv_op *op)
{
	if (op->op_int[0] != 0)
		kv_op_fail(op, "ERR DB index is out of range");
	else
		kv_say_ok(op->op_out);
}

/* Return whether this is the only user that exists; any password is right. */
static bool
is_default_user(const struct kv_arg *a)
{
	static const char name[] = "default";

	return a->a_len == sizeof(name) - 1 &&
	    memcmp(a->a_p, name, a->a_len) == 0;
}

/*
 * Carry out the options of HELLO, one after the other.  If one is wrong, reply
 * an error and return false.  As in Redis, those before it remain carried out.
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

static struct kv_cmd rows[] = {
	KV_CONN("ping", -1, KV_FAST | KV_LOADING, ping),
	KV_CONN("echo", 2, KV_FAST | KV_LOADING, ping),
	KV_CONN("quit", -1, KV_FAST | KV_LOADING, quit),
	KV_CONN("hello", -1, KV_FAST | KV_LOADING, hello),
	KV_CONN("select", 2, KV_FAST | KV_LOADING, select_db,
	    .c_ints = { 1 }),
};

const struct kv_family kv_connection_family =
    KV_FAMILY("connection", KV_ANY, rows);
