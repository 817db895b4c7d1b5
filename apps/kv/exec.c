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
kv_op_prepare(struct kv_op *op, const struct kv_cmd *cmd,
    int (*fn)(struct kv_db *, struct kv_op *), struct kv_arg *argv, int argc)
{
	op->op_fn = fn;
	op->op_cmd = cmd;
	op->op_argv = argv;
	op->op_argc = argc;
	op->op_pin = NULL;
	op->op_at = NULL;
	op->op_pos = 0;
	op->op_left = 0;
	op->op_result = 0;
}

/* The operation goes where the key lives: by the high half of its hash. */
void
kv_op_locate(struct kv_op *op, const struct kv_arg *key)
{
	op->op_hash = kv_hash(key->a_p, key->a_len);
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
		if (!call->k_begun)
			op->op_from = call->k_out.r_len;
		call->k_begun = true;
		if (op->op_fn(db, op) == KV_MORE)
			return false;
		call->k_begun = false;
		op->op_to = call->k_out.r_len;
		call->k_first = op->op_next;
	}
	return true;
}

/* Run an operation of the caller's own shard to its end. */
static void
run_here(struct kv_op *op)
{
	struct kv_cpu *cpu = kv_mycpu();

	while (op->op_fn(&cpu->p_db, op) == KV_MORE) {
		lwkt_yield();
		kv_turn(cpu);
	}
}

/*
 * Run one operation, its reply straight into the connection's.
 * Blocks: yes, if it is another CPU's.
 */
void
kv_run_op(struct kv_conn *c, struct kv_op *op)
{
	if (op->op_shard == c->c_cpu) {
		op->op_out = &c->c_out;
		run_here(op);
	} else {
		kv_scatter(c, op, 1);
		kv_gather(c, op, 1);
	}
}

static void
add_to_call(struct kv_conn *c, struct kv_op *op)
{
	struct kv_call *call = &c->c_calls[op->op_shard];

	if (call->k_first == NULL) {
		call->k_last = &call->k_first;
		call->k_out.r_resp3 = c->c_out.r_resp3;
	}
	op->op_out = &call->k_out;
	op->op_next = NULL;
	*call->k_last = op;
	call->k_last = &op->op_next;
}

/* Run operations on their shards, each one's replies in its call's buffer. */
void
kv_scatter(struct kv_conn *c, struct kv_op *ops, unsigned int n)
{
	struct kv_call *mine = &c->c_calls[c->c_cpu];
	lwkt_port_t reply = lwkt_curport();
	uint64_t away[KV_MAXCPU / 64] = { 0 };

	for (unsigned int i = 0; i < n; i++)
		add_to_call(c, &ops[i]);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int s = ops[i].op_shard;

		if (s == c->c_cpu || (away[s / 64] >> s % 64 & 1) != 0)
			continue;
		away[s / 64] |= (uint64_t)1 << s % 64;
		lwkt_initmsg(&c->c_calls[s].k_msg, reply, 0);
		lwkt_sendmsg(kv_server.s_cpus[s]->p_port,
		    &c->c_calls[s].k_msg);
	}
	while (!kv_call_run(&kv_mycpu()->p_db, mine)) {
		lwkt_yield();
		kv_turn(kv_mycpu());
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int s = ops[i].op_shard;

		if ((away[s / 64] >> s % 64 & 1) == 0)
			continue;
		away[s / 64] &= ~((uint64_t)1 << s % 64);
		lwkt_waitmsg(&c->c_calls[s].k_msg, 0);
		assert(c->c_calls[s].k_first == NULL);		/* I1 */
	}
	kv_turn(kv_mycpu());
}

/* Append the replies of scattered operations in their order. */
void
kv_gather(struct kv_conn *c, struct kv_op *ops, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		kv_reply_move(&c->c_out, ops[i].op_out, ops[i].op_from,
		    ops[i].op_to);
	for (unsigned int i = 0; i < n; i++)
		kv_reply_reset(ops[i].op_out);
}

/* One operation on every shard; ops has room for them. The sum of results. */
int64_t
kv_everywhere(struct kv_conn *c, struct kv_op *ops,
    int (*fn)(struct kv_db *, struct kv_op *), void *at)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < kv_server.s_ncpus; i++) {
		kv_op_prepare(&ops[i], c->c_cmd, fn, NULL, 0);
		ops[i].op_shard = i;
		ops[i].op_at = at;
	}
	kv_scatter(c, ops, kv_server.s_ncpus);
	for (unsigned int i = 0; i < kv_server.s_ncpus; i++)
		sum += ops[i].op_result;
	return sum;
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
