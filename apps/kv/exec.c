/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring operations to their shards and the replies back in order.
 *
 * THEORY: a shard is touched only by code that runs on its CPU, between two
 * points where it may switch.  A connection's thread never migrates, so what
 * belongs to its own CPU's shard it does itself, by a function call.  For
 * another CPU's shard it sends a message that carries a list of operations and
 * a reply buffer; the shard's thread runs them and sends the message back.
 *
 * A batch of pipelined commands goes to all its shards at once: operations on
 * one shard keep their order, so every key sees its commands in the order the
 * client sent them, and the replies are put in that order at the end.  Between
 * keys of different shards a batch has no order that anyone could rely on.
 *
 * INVARIANTS
 * I1 while a call is away, its operations, their arguments and its reply
 *    belong to the other CPU.
 */
#include "server.h"

#include <assert.h>

void
kv_op_init(struct kv_op *op, const struct kv_cmd *cmd, struct kv_arg *argv,
    int argc)
{
	*op = (struct kv_op){
		.op_cmd = cmd, .op_argv = argv, .op_argc = argc,
		.op_words = cmd->c_how,
	};
}

/* The operation goes where its key lives: by the high half of its hash. */
void
kv_op_locate(struct kv_op *op)
{
	op->op_hash = kv_hash(op->op_argv[1].a_p, op->op_argv[1].a_len);
	op->op_shard = (unsigned int)((op->op_hash >> 32) *
	    kv_server.s_ncpus >> 32);
}

/*
 * Run what is left of a call, until its end (true) or until an operation has
 * had its turn and wants another.  Cpu: the shard's.
 */
bool
kv_call_run(struct kv_db *db, struct kv_call *call)
{
	struct kv_op *op;

	while ((op = call->k_first) != NULL) {
		if (kv_op_turn(db, op) == KV_MORE)
			return false;
		op->op_to = call->k_out.r_len;
		call->k_first = op->op_next;
	}
	return true;
}

/*
 * Run one operation, its reply straight into the connection's.
 * Blocks: yes, if it is another CPU's.
 */
void
kv_run_op(struct kv_conn *c, struct kv_op *op)
{
	struct kv_cpu *cpu = kv_mycpu();

	if (op->op_shard != c->c_cpu) {
		kv_scatter(c, op, 1);
		kv_gather(c, op, 1);
		return;
	}
	op->op_out = &c->c_out;
	while (kv_op_turn(&cpu->p_db, op) == KV_MORE) {
		lwkt_yield();
		kv_turn(cpu);
	}
}

static void
add_to_call(struct kv_call *call, struct kv_op *op)
{
	if (call->k_first == NULL)
		call->k_last = &call->k_first;
	op->op_out = &call->k_out;
	op->op_next = NULL;
	*call->k_last = op;
	call->k_last = &op->op_next;
}

/* Run operations on their shards, each one's replies in its call's buffer. */
void
kv_scatter(struct kv_conn *c, struct kv_op *ops, unsigned int n)
{
	struct kv_call *call, *mine = &c->c_calls[c->c_cpu];

	for (unsigned int i = 0; i < n; i++) {
		call = &c->c_calls[ops[i].op_shard];
		call->k_out.r_resp3 = c->c_out.r_resp3;
		add_to_call(call, &ops[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		call = &c->c_calls[ops[i].op_shard];
		if (call == mine || call->k_away)
			continue;
		call->k_away = true;
		lwkt_initmsg(&call->k_msg, lwkt_curport(), 0);
		lwkt_sendmsg(kv_server.s_cpus[ops[i].op_shard]->p_port,
		    &call->k_msg);
	}
	while (!kv_call_run(&kv_mycpu()->p_db, mine)) {
		lwkt_yield();
		kv_turn(kv_mycpu());
	}
	for (unsigned int i = 0; i < n; i++) {
		call = &c->c_calls[ops[i].op_shard];
		if (!call->k_away)
			continue;
		lwkt_waitmsg(&call->k_msg, 0);
		call->k_away = false;
		assert(call->k_first == NULL);			/* I1 */
	}
	kv_turn(kv_mycpu());
}

/* Append the replies of scattered operations in their order. */
void
kv_gather(struct kv_conn *c, struct kv_op *ops, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct kv_reply *out = ops[i].op_out;

		/* What was moved before is what stands in front. */
		kv_reply_move(&c->c_out, out, out->r_pos, ops[i].op_to);
		out->r_pos = ops[i].op_to;
	}
	for (unsigned int i = 0; i < n; i++)
		kv_reply_reset(ops[i].op_out);
}

/* Run the commands that wait in c_ops. */
void
kv_exec(struct kv_conn *c)
{
	unsigned int n = c->c_nops;

	if (n == 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		c->c_ops[i].op_argv = c->c_in.r_args + c->c_ops[i].op_arg0;
	c->c_nops = 0;
	kv_scatter(c, c->c_ops, n);
	kv_gather(c, c->c_ops, n);
}

/* A command on several keys: one operation for each. */
static void
exec_keys(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	struct kv_conn *c = op->op_conn;
	unsigned int n = 0;

	for (int i = 1; i < op->op_argc; i += cmd->c_step) {
		kv_op_init(&c->c_ops[n], cmd, &op->op_argv[i - 1],
		    cmd->c_step + 1);
		kv_op_locate(&c->c_ops[n]);
		c->c_ops[n].op_part = true;
		if (++n < KV_BATCH && i + cmd->c_step < op->op_argc)
			continue;
		kv_scatter(c, c->c_ops, n);
		kv_gather(c, c->c_ops, n);
		while (n > 0)
			op->op_result += c->c_ops[--n].op_result;
		if (i + cmd->c_step < op->op_argc)
			lwkt_yield();
	}
}

/*
 * A command, or a part of one, on every shard.  Each result is in the array of
 * operations that comes, for kv_collect; their sum is in op_result.
 */
struct kv_op *
kv_everywhere(struct kv_op *op, const struct kv_cmd *cmd)
{
	unsigned int n = kv_server.s_ncpus;
	struct kv_op *ops = kv_alloc(n * sizeof(*ops));

	for (unsigned int i = 0; i < n; i++) {
		ops[i] = *op;
		ops[i].op_cmd = cmd;
		ops[i].op_shard = i;
		ops[i].op_part = true;
	}
	kv_scatter(op->op_conn, ops, n);
	for (unsigned int i = 0; i < n; i++)
		op->op_result += ops[i].op_result;
	return ops;
}

/* The replies of all shards, and the end of their operations. */
void
kv_collect(struct kv_op *op, struct kv_op *ops)
{
	kv_gather(op->op_conn, ops, kv_server.s_ncpus);
	kv_free(ops);
}

/* A command that is not on one key: in the connection's thread. */
void
kv_exec_conn(struct kv_op *op)
{
	const struct kv_cmd *cmd = op->op_cmd;
	struct kv_op *ops = NULL;

	if (kv_op_read(op) != KV_GO)
		return;
	if ((cmd->c_flags & KV_ARRAY) != 0)
		kv_say_many(op->op_out, '*', op->op_argc - 1);
	if (cmd->c_keys < 0)
		exec_keys(op);
	else if ((cmd->c_flags & KV_EVERY) != 0)
		ops = kv_everywhere(op, cmd);
	else
		cmd->c_fn(op);
	if ((cmd->c_flags & KV_SUM) != 0)
		kv_say_int(op->op_out, op->op_result);
	if ((cmd->c_flags & KV_OK) != 0)
		kv_say_ok(op->op_out);
	if ((cmd->c_flags & KV_PARTS) != 0)
		kv_say_many(op->op_out, '*', op->op_result);
	if (ops != NULL)
		kv_collect(op, ops);
}
