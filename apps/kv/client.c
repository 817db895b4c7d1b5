/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CLIENT: look at the connections of all CPUs, and end some.
 *
 * THEORY: the connections of a CPU are its own, so listing and killing are
 * operations that run on each CPU, like those on keys.  To kill is to shut the
 * socket down: the connection's thread then finds its end.
 */
#include "server.h"

#include <string.h>
#include <sys/socket.h>

#define LIST_SLICE	128	/* connections described in one turn */

/* This CPU's connections get no more input, so they end when all is said. */
void
kv_hang_up_all(void *arg)
{
	struct kv_conn *c;

	(void)arg;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link)
		shutdown(c->c_fd, SHUT_RD);
}

/* A client's name has no spaces and nothing that cannot be printed. */
bool
kv_name_ok(struct kv_op *op, const struct kv_arg *name)
{
	for (size_t i = 0; i < name->a_len; i++) {
		if (name->a_p[i] < '!' || name->a_p[i] > '~') {
			kv_op_fail(op, "ERR Client names cannot contain "
			    "spaces, newlines or special characters.");
			return false;
		}
	}
	if (name->a_len > KV_NAMELEN) {
		kv_say_error(op->op_out, "ERR Client names have at most %d "
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
setname(struct kv_op *op)
{
	if (kv_name_ok(op, &op->op_argv[2])) {
		kv_name_set(op->op_conn, &op->op_argv[2]);
		kv_say_ok(op->op_out);
	}
}

static void
getname(struct kv_op *op)
{
	if (op->op_conn->c_name[0] != '\0')
		kv_say_str(op->op_out, op->op_conn->c_name);
	else
		kv_say_nil(op->op_out);
}

static void
id(struct kv_op *op)
{
	kv_say_int(op->op_out, (int64_t)op->op_conn->c_id);
}

static void
describe(struct kv_reply *t, const struct kv_conn *c, int64_t now)
{
	kv_say_text(t, "id=%lu addr=%s laddr=%s fd=%d name=%s age=%ld "
	    "idle=%ld flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=%zu "
	    "qbuf-free=%zu omem=%zu cpu=%u cmd=%s user=default redir=-1 "
	    "resp=%d\n", (unsigned long)c->c_id, c->c_addr, c->c_laddr,
	    c->c_fd, c->c_name, (long)((now - c->c_since) / 1000),
	    (long)((now - c->c_active) / 1000), c->c_in.r_len,
	    c->c_in.r_cap - c->c_in.r_len, kv_reply_pending(&c->c_out),
	    c->c_cpu, c->c_cmd != NULL ? c->c_cmd->c_name : "NULL",
	    c->c_out.r_resp3 ? 3 : 2);
}

/* Describe some connections behind op_pos, an id; a turn is one such step. */
static void
list_each(struct kv_op *op)
{
	struct kv_conn *c;
	int n = 0;

	op->op_cost = KV_SLICE;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if (c->c_id <= op->op_pos)
			continue;
		if (n++ == LIST_SLICE)
			return;
		describe(op->op_out, c, op->op_db->db_now);
		op->op_pos = c->c_id;
	}
	op->op_left = 0;
}

/* The reply's length must be known first: it is made apart. */
static void
list(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_each = list_each };
	struct kv_conn *c = op->op_conn;
	struct kv_reply reply, text = { 0 };

	if (op->op_argc > 2) {
		kv_op_fail(op, KV_E_SYNTAX);
		return;
	}
	reply = c->c_out;
	c->c_out = text;
	op->op_left = 1;
	kv_collect(op, kv_everywhere(op, &part));
	text = c->c_out;
	c->c_out = reply;
	kv_say_verbatim(op->op_out, text.r_buf, text.r_len);
	kv_reply_free(&text);
}

/* Which connections CLIENT KILL means; NULL or 0: does not matter. */
struct filter {
	const struct kv_arg	*f_addr, *f_laddr;
	int64_t			 f_id;
	const struct kv_conn	*f_not;
};

static bool
differs(const struct kv_arg *a, const char *s)
{
	return a != NULL &&
	    (a->a_len != strlen(s) || memcmp(a->a_p, s, a->a_len) != 0);
}

/*
 * Kill those of this CPU that op_at means, who asks after the answer;
 * op_result: how many.
 */
static void
kill_here(struct kv_op *op)
{
	const struct filter *f = op->op_at;
	struct kv_conn *c;

	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if (c == f->f_not || differs(f->f_addr, c->c_addr) ||
		    differs(f->f_laddr, c->c_laddr) ||
		    (f->f_id != 0 && (uint64_t)f->f_id != c->c_id))
			continue;
		c->c_close = true;
		if (c != op->op_conn)
			shutdown(c->c_fd, SHUT_RDWR);
		op->op_result++;
	}
}

/* The options of CLIENT KILL; NULL or what is wrong with them. */
static const char *
kill_options(struct kv_op *op, struct filter *f)
{
	const struct kv_arg *argv = op->op_argv;
	const int *val = op->op_val;

	if (val[0] != 0 && (!kv_arg_i64(&argv[val[0]], &f->f_id) ||
	    f->f_id < 1))
		return "ERR client-id should be greater than 0";
	f->f_addr = val[1] != 0 ? &argv[val[1]] : NULL;
	f->f_laddr = val[2] != 0 ? &argv[val[2]] : NULL;
	if (val[3] != 0 && kv_arg_is(&argv[val[3]], "no"))
		f->f_not = NULL;
	else if (val[3] != 0 && !kv_arg_is(&argv[val[3]], "yes"))
		return KV_E_SYNTAX;
	return op->op_end < op->op_argc ? KV_E_SYNTAX : NULL;
}

static void
kill(struct kv_op *op)
{
	static const struct kv_cmd part = { .c_fn = kill_here };
	struct filter f = { .f_not = op->op_conn };
	const char *wrong = NULL;

	if (op->op_argc == 3)
		f = (struct filter){ .f_addr = &op->op_argv[2] };
	else
		wrong = kill_options(op, &f);
	if (wrong != NULL) {
		kv_op_fail(op, wrong);
		return;
	}
	op->op_at = &f;
	kv_collect(op, kv_everywhere(op, &part));
	if (op->op_argc > 3)
		kv_say_int(op->op_out, op->op_result);
	else if (op->op_result > 0)
		kv_say_ok(op->op_out);
	else
		kv_op_fail(op, "ERR No such client");
}

static struct kv_cmd subs[] = {
	KV_SUB("setname", 3, "", setname), KV_SUB("getname", 2, "", getname),
	KV_SUB("id", 2, "", id), KV_SUB("list", -2, "", list),
	KV_SUB("kill", -3, "", kill, .c_from = 2,
	    .c_words = KV_ID | KV_ADDR | KV_LADDR | KV_SKIPME),
};

const struct kv_family kv_client_subs = KV_FAMILY("CLIENT", KV_ANY, subs);
