/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CLIENT: list the connections of all CPUs, and end some.
 *
 * THEORY: what changes in a connection is used by code on its CPU only, except
 * atomic fields (server.h).  So listing and killing are operations that run on
 * each CPU, like those on keys.  A connection is killed by shutting down its
 * socket: its thread then finds the end of the input.
 */
#include "cmd/cmd.h"

#include <sys/socket.h>

#define LIST_STEP	64	/* connections described in one step */

/*
 * Shut the input of this CPU's connections.  They end when they have replied to
 * the commands that have arrived.
 */
void
kv_hang_up_all(void *arg)
{
	struct kv_conn *c;

	(void)arg;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link)
		shutdown(c->c_fd, SHUT_RD);
}

/* Name a client; return what is wrong with the name, or NULL. */
const char *
kv_name_set(struct kv_conn *c, const struct kv_arg *name)
{
	for (size_t i = 0; i < name->a_len; i++) {
		if (name->a_p[i] < '!' || name->a_p[i] > '~')
			return "ERR Client names cannot contain spaces, "
			    "newlines or special characters.";
	}
	if (name->a_len > KV_NAMELEN)
		return "ERR Client names have at most 64 characters.";
	memcpy(c->c_name, name->a_p, name->a_len);
	c->c_name[name->a_len] = '\0';
	return NULL;
}

/* CLIENT SETNAME */
static void
setname(struct kv_op *op)
{
	const char *wrong = kv_name_set(op->op_conn, &op->op_argv[2]);

	if (wrong != NULL)
		kv_op_fail(op, wrong);
	else
		kv_say_ok(op->op_out);
}

/* CLIENT GETNAME */
static void
getname(struct kv_op *op)
{
	if (op->op_conn->c_name[0] != '\0')
		kv_say_str(op->op_out, op->op_conn->c_name);
	else
		kv_say_nil(op->op_out);
}

/* CLIENT ID */
static void
id(struct kv_op *op)
{
	kv_say_int(op->op_out, (int64_t)op->op_conn->c_id);
}

/* Write a line about a connection. */
static void
describe(struct kv_reply *t, struct kv_conn *c, int64_t now)
{
	kv_say_text(t, "id=%lu addr=%s laddr=%s fd=%d name=%s age=%ld "
	    "idle=%ld flags=N db=0 sub=0 psub=0 multi=-1 qbuf=%zu omem=%zu "
	    "cpu=%u cmd=%s resp=%d\n", (unsigned long)c->c_id,
	    kv_conn_addr(c), kv_conn_laddr(c), c->c_fd, c->c_name,
	    (long)((now - c->c_since) / 1000),
	    (long)((now - c->c_active) / 1000), kv_resp_pending(&c->c_in),
	    kv_reply_pending(&c->c_out), c->c_cpu,
	    c->c_cmd != NULL ? c->c_cmd->c_name : "NULL",
	    c->c_out.r_resp3 ? 3 : 2);
}

/* Describe some connections with ids after op_pos; then read the clock. */
static void
list_each(struct kv_op *op)
{
	struct kv_conn *c;
	int n = 0;

	op->op_cost = KV_STEPS;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if (c->c_id <= op->op_pos)
			continue;
		if (n++ == LIST_STEP)
			return;
		describe(op->op_out, c, op->op_db->db_now);
		op->op_pos = c->c_id;
	}
	op->op_left = 0;
}

/* CLIENT LIST: the texts of all CPUs become one string. */
static void
list(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_each = list_each };
	struct kv_op *ops = op->op_conn->c_ops;
	struct kv_reply text = { 0 };

	if (op->op_argc > 2) {
		kv_op_fail(op, KV_E_SYNTAX);
		return;
	}
	op->op_left = 1;
	kv_everywhere(op, &part);
	for (unsigned int i = 0; i < kv_server.s_ncpus; i++)
		kv_reply_move(&text, ops[i].op_out);
	kv_say_verbatim(op->op_out, &text);
	kv_reply_free(&text);
}

/* Return whether argument i is this text; true if i is 0. */
static bool
says(const struct kv_op *op, int i, const char *s)
{
	const struct kv_arg *a = &op->op_argv[i];

	return i == 0 || (a->a_len == strlen(s) &&
	    memcmp(a->a_p, s, a->a_len) == 0);
}

/*
 * Kill the connections of this CPU that the arguments select (op_int[0] is an
 * id).  The connection that asks ends after its reply.  op_result counts them.
 */
static void
kill_here(struct kv_op *op)
{
	struct kv_conn *c;

	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if ((c == op->op_conn && op->op_int[1] != 0) ||
		    (op->op_val[0] != 0 &&
		    (uint64_t)op->op_int[0] != c->c_id) ||
		    !says(op, op->op_val[1], kv_conn_addr(c)) ||
		    !says(op, op->op_val[2], kv_conn_laddr(c)))
			continue;
		c->c_close = true;
		if (c != op->op_conn)
			shutdown(c->c_fd, SHUT_RDWR);
		op->op_result++;
	}
}

/* Read an address or options.  op_int[1] set: spare the asking connection. */
static enum kv_ready
kill_parse(struct kv_op *op)
{
	const struct kv_arg *argv = op->op_argv;
	int id_arg = op->op_val[0], skipme = op->op_val[3];

	if (op->op_argc == 3) {
		op->op_val[1] = 2;
		return KV_READY;
	}
	if (id_arg != 0)
		kv_arg_i64(&argv[id_arg], &op->op_int[0]);
	op->op_int[1] = skipme == 0 || kv_arg_is(&argv[skipme], "yes");
	return op->op_end < op->op_argc ? kv_op_fail(op, KV_E_SYNTAX) :
	    KV_READY;
}

/* CLIENT KILL */
static void
kill(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_fn = kill_here };

	kv_everywhere(op, &part);
	if (op->op_argc > 3)
		kv_say_int(op->op_out, op->op_result);
	else if (op->op_result > 0)
		kv_say_ok(op->op_out);
	else
		kv_op_fail(op, "ERR No such client");
}

static struct kv_cmd rows[] = {
	KV_CONN("client", -2, KV_LOADING, kv_subcommand),
	KV_CONN("client|setname", 3, 0, setname),
	KV_CONN("client|getname", 2, 0, getname),
	KV_CONN("client|id", 2, 0, id),
	KV_CONN("client|list", -2, 0, list),
	KV_CONN("client|kill", -3, KV_REST, kill, .c_parse = kill_parse,
	    .c_words = KV_ID | KV_ADDR | KV_LADDR | KV_SKIPME, .c_from = 2),
};

const struct kv_family kv_client_family =
    KV_FAMILY("connection", KV_ANY, rows);
