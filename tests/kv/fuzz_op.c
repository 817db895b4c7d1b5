/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz target: commands and their options.  The input picks commands on a few
 * keys and their arguments, from words that mean something and from bytes that
 * do not.  Each must give one well-formed reply, and when all keys are gone
 * the memory must be, too.
 */
#include "cmd/value.h"

#include <stdlib.h>

#define MAXARGS	12

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kv_family *const families[] = {
	&kv_string_family, &kv_list_family, &kv_hash_family, &kv_set_family,
	&kv_zset_family,
};

static const char *const words[] = {
	"nx", "XX", "gt", "LT", "ch", "INCR", "get", "KEEPTTL", "persist",
	"EX", "px", "EXAT", "pxat", "BYSCORE", "bylex", "REV", "withscores",
	"LIMIT", "match", "count", "0", "1", "-1", "2", "10", "100", "-5",
	"4102444800", "9223372036854775807", "-9223372036854775808",
	"99999999999999999999", "1.5", "-0", "inf", "-inf", "nan", "1e400",
	"(1", "[a", "(b", "+", "-", "a", "b", "c", "",
};

/* What is left of the input. */
struct input {
	const uint8_t	*i_p;
	size_t		 i_left;
};

static unsigned int
byte(struct input *in)
{
	if (in->i_left == 0)
		return 0;
	in->i_left--;
	return *in->i_p++;
}

/* The bytes of one reply at p; NULL: it is none. */
static const char *
skip_reply(const char *p, const char *end)
{
	const char *line = p, *nl = memchr(p, '\n', (size_t)(end - p));
	long n;

	if (nl == NULL || nl == p || nl[-1] != '\r')
		return NULL;
	n = strtol(line + 1, NULL, 10);
	p = nl + 1;
	switch (*line) {
	case '+': case '-': case ':': case ',': case '_':
		return p;
	case '$':
		if (n < 0)
			return p;
		return end - p >= n + 2 && memcmp(p + n, "\r\n", 2) == 0 ?
		    p + n + 2 : NULL;
	case '%':
		n *= 2;
		/* FALLTHROUGH */
	case '*': case '~':
		for (; n > 0 && p != NULL && p < end; n--)
			p = skip_reply(p, end);
		return n > 0 ? NULL : p;
	}
	return NULL;
}

/* Is this one reply, and all of it? */
static void
check_reply(struct kv_reply *r)
{
	size_t len = kv_reply_pending(r), at = 0, n;
	char *flat = malloc(len + 1);
	const char *p;

	while ((p = kv_reply_peek(r, &n)) != NULL) {
		memcpy(flat + at, p, n);
		at += n;
		kv_reply_sent(r, n);
	}
	flat[len] = '\0';
	if (at != len || len == 0 || skip_reply(flat, flat + len) !=
	    flat + len)
		abort();
	free(flat);
}

/* A command out of the table, ready for its arguments. */
static const struct kv_cmd *
pick(struct input *in)
{
	const struct kv_family *f = families[byte(in) %
	    KV_COUNT(families)];

	return &f->f_rows[byte(in) % f->f_nrows];
}

static void
one_command(struct kv_db *db, struct input *in, bool resp3)
{
	static char name[] = "command";
	struct kv_reply out = { .r_resp3 = resp3 };
	struct kv_arg argv[MAXARGS] = { { name, sizeof(name) - 1, NULL } };
	const struct kv_cmd *cmd = pick(in);
	int argc = 1, max = 1 + (int)(byte(in) % (MAXARGS - 1));
	struct kv_op op;

	while (argc <= max && argc < MAXARGS) {
		unsigned int b = byte(in), len = b % 8;
		const char *word = words[b % KV_COUNT(words)];

		if (argc == 1) {
			len = 1;
			argv[argc].a_p = name + b % 4;
		} else if (b < 200) {
			len = (unsigned int)strlen(word);
			argv[argc].a_p = (char *)(uintptr_t)word;
		} else {
			len = len < in->i_left ? len :
			    (unsigned int)in->i_left;
			argv[argc].a_p = (char *)(uintptr_t)in->i_p;
			in->i_p += len;
			in->i_left -= len;
		}
		argv[argc++].a_len = len;
	}
	if (cmd->c_keys != 1 ||
	    (cmd->c_arity < 0 ? argc < -cmd->c_arity : argc != cmd->c_arity))
		return;
	/* A reply without end, and a string of 512 MB, are for other tests. */
	if (argc > 2 && (strncmp(cmd->c_name, "srand", 5) == 0 ||
	    strcmp(cmd->c_name, "setrange") == 0) && argv[2].a_len > 3)
		return;
	op = (struct kv_op){ .op_cmd = cmd, .op_argv = argv,
	    .op_argc = argc, .op_out = &out, .op_words = cmd->c_how,
	    .op_hash = kv_hash(argv[1].a_p, argv[1].a_len) };
	op.op_db = db;
	while (!kv_op_turn(db, &op))
		db->db_until = 0;
	check_reply(&out);
	kv_reply_free(&out);
}

static void
begin(void)
{
	static bool begun;

	for (size_t i = 0; !begun && i < KV_COUNT(families); i++) {
		for (size_t k = 0; k < families[i]->f_nrows; k++)
			kv_row_init(&families[i]->f_rows[k], families[i]);
	}
	begun = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t before = kv_mem_used();
	struct kv_db db = { 0 };

	begin();
	kv_db_init(&db);
	db.db_now = 1000000000000;
	while (in.i_left > 0) {
		db.db_now += byte(&in) % 16 * 1000;
		one_command(&db, &in, size % 2);
	}
	kv_db_flush(&db);
	while (kv_db_sweep(&db, 1000) > 0)
		continue;
	kv_free(db.db_keys);
	if (kv_mem_used() != before)
		abort();
	return 0;
}
