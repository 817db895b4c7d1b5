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

/* Which connections CLIENT KILL means; NULL or 0: does not matter. */
struct filter {
	const struct kv_arg	*f_addr, *f_laddr;
	int64_t			 f_id;
	const struct kv_conn	*f_not;
	const struct kv_conn	*f_self;	/* who asks: gets an answer */
};

void
kv_hang_up(struct kv_conn *c)
{
	shutdown(c->c_fd, SHUT_RDWR);
}

/* Every connection of this CPU: no more input, so it ends when all is said. */
int
kv_op_hang_up_all(struct kv_db *db, struct kv_op *op)
{
	struct kv_conn *c;

	(void)db;
	(void)op;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link)
		shutdown(c->c_fd, SHUT_RD);
	return KV_DONE;
}

static void
describe(struct kv_reply *t, const struct kv_conn *c, int64_t now)
{
	kv_text(t, "id=%lu addr=%s laddr=%s fd=%d name=%s age=%ld idle=%ld "
	    "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=%zu "
	    "qbuf-free=%zu omem=%zu cpu=%u cmd=%s user=default redir=-1 "
	    "resp=%d\n", (unsigned long)c->c_id, c->c_addr, c->c_laddr,
	    c->c_fd, c->c_name, (long)((now - c->c_since) / 1000),
	    (long)((now - c->c_active) / 1000), c->c_in.r_len,
	    c->c_in.r_cap - c->c_in.r_len, kv_reply_pending(&c->c_out),
	    c->c_cpu, c->c_cmd != NULL ? c->c_cmd->c_name : "NULL",
	    c->c_out.r_resp3 ? 3 : 2);
}

/* Describe the connections of this CPU; op_pos: the last one's id. */
static int
op_list(struct kv_db *db, struct kv_op *op)
{
	struct kv_conn *c;
	int n = 0;

	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if (c->c_id <= op->op_pos)
			continue;
		if (n++ == LIST_SLICE)
			return KV_MORE;
		describe(op->op_out, c, db->db_now);
		op->op_pos = c->c_id;
	}
	return KV_DONE;
}

static bool
arg_equals(const struct kv_arg *a, const char *s)
{
	return a->a_len == strlen(s) && memcmp(a->a_p, s, a->a_len) == 0;
}

/* Kill those that op_at means; op_result: how many. */
static int
op_kill(struct kv_db *db, struct kv_op *op)
{
	const struct filter *f = op->op_at;
	struct kv_conn *c;

	(void)db;
	TAILQ_FOREACH(c, &kv_mycpu()->p_conns, c_link) {
		if (c == f->f_not ||
		    (f->f_id != 0 && (uint64_t)f->f_id != c->c_id) ||
		    (f->f_addr != NULL && !arg_equals(f->f_addr, c->c_addr)) ||
		    (f->f_laddr != NULL && !arg_equals(f->f_laddr,
		    c->c_laddr)))
			continue;
		c->c_close = true;
		if (c != f->f_self)
			kv_hang_up(c);
		op->op_result++;
	}
	return KV_DONE;
}

static void
client_list(struct kv_conn *c)
{
	struct kv_op *ops = kv_alloc(kv_server.s_ncpus * sizeof(*ops));
	struct kv_reply reply = c->c_out, text = { 0 };

	kv_everywhere(c, ops, op_list, NULL);
	/* Gather into an empty buffer, whose length is known then. */
	c->c_out = text;
	kv_gather(c, ops, kv_server.s_ncpus);
	text = c->c_out;
	c->c_out = reply;
	kv_reply_verbatim(&c->c_out, text.r_buf, text.r_len);
	kv_reply_free(&text);
	kv_free(ops);
}

static int64_t
kill_all(struct kv_conn *c, struct filter *f)
{
	struct kv_op *ops = kv_alloc(kv_server.s_ncpus * sizeof(*ops));
	int64_t n = kv_everywhere(c, ops, op_kill, f);

	kv_free(ops);
	return n;
}

/* The options of CLIENT KILL; false: an error was replied. */
static bool
kill_options(struct kv_conn *c, struct kv_arg *argv, int argc,
    struct filter *f)
{
	for (int i = 2; i < argc; i += 2) {
		const struct kv_arg *val = &argv[i + 1];

		if (i + 1 == argc) {
			kv_reply_error(&c->c_out, "ERR syntax error");
			return false;
		}
		if (kv_arg_is(&argv[i], "id")) {
			if (!kv_parse_i64(val->a_p, val->a_len, &f->f_id) ||
			    f->f_id < 1) {
				kv_reply_error(&c->c_out,
				    "ERR client-id should be greater than 0");
				return false;
			}
		} else if (kv_arg_is(&argv[i], "addr")) {
			f->f_addr = val;
		} else if (kv_arg_is(&argv[i], "laddr")) {
			f->f_laddr = val;
		} else if (kv_arg_is(&argv[i], "skipme") &&
		    kv_arg_is(val, "yes")) {
			f->f_not = c;
		} else if (kv_arg_is(&argv[i], "skipme") &&
		    kv_arg_is(val, "no")) {
			f->f_not = NULL;
		} else {
			kv_reply_error(&c->c_out, "ERR syntax error");
			return false;
		}
	}
	return true;
}

static void
client_kill(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	struct filter f = { .f_not = c, .f_self = c };

	if (argc == 3) {
		f.f_addr = &argv[2];
		f.f_not = NULL;
		if (kill_all(c, &f) > 0)
			kv_reply_status(&c->c_out, "OK");
		else
			kv_reply_error(&c->c_out, "ERR No such client");
	} else if (kill_options(c, argv, argc, &f)) {
		kv_reply_int(&c->c_out, kill_all(c, &f));
	}
}

void
kv_cmd_client(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	const struct kv_arg *sub = &argv[1];

	if (kv_arg_is(sub, "setname") && argc == 3) {
		if (kv_name_ok(c, &argv[2])) {
			kv_name_set(c, &argv[2]);
			kv_reply_status(&c->c_out, "OK");
		}
	} else if (kv_arg_is(sub, "getname") && argc == 2) {
		if (c->c_name[0] != '\0')
			kv_reply_str(&c->c_out, c->c_name);
		else
			kv_reply_null(&c->c_out);
	} else if (kv_arg_is(sub, "id") && argc == 2) {
		kv_reply_int(&c->c_out, (int64_t)c->c_id);
	} else if (kv_arg_is(sub, "list") && argc == 2) {
		client_list(c);
	} else if (kv_arg_is(sub, "kill") && argc >= 3) {
		client_kill(c, argv, argc);
	} else if (kv_arg_is(sub, "list")) {
		kv_reply_error(&c->c_out, "ERR syntax error");
	} else {
		kv_sub_error(c, argv, "client", kv_arg_is(sub, "setname") ||
		    kv_arg_is(sub, "getname") || kv_arg_is(sub, "id") ||
		    kv_arg_is(sub, "kill"));
	}
}
