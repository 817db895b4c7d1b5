/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings, one row each: the options of the command line, and CONFIG.
 * Some can be changed while the server runs; some are constants that clients
 * like to ask for.
 */
#include "server.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct kv_server kv_server = {
	.s_port = 6379,
	.s_bind = "127.0.0.1",
	.s_maxclients = 10000,
	.s_outlimit = 64 << 20,
	.s_outtime = 10,
};

static const struct param {
	const char	*m_name;
	bool		 m_size;	/* in bytes, units allowed */
	bool		 m_fixed;	/* while the server runs */
	uint64_t	 m_min, m_max;
	_Atomic uint64_t *m_value;	/* NULL: m_text */
	const char	*m_text;	/* NULL: s_bind */
} params[] = {
	{ "port", 0, 1, 0, 65535, &kv_server.s_port, NULL },
	{ "bind", 0, 1, 0, 0, NULL, NULL },
	{ "cpus", 0, 1, 1, KV_MAXCPU, &kv_server.s_wantcpus, NULL },
	{ "maxmemory", 1, 0, 0, INT64_MAX, &kv_server.s_maxmemory, NULL },
	{ "maxclients", 0, 0, 1, 1000000, &kv_server.s_maxclients, NULL },
	{ "client-output-limit", 1, 0, 1024, INT64_MAX,
	    &kv_server.s_outlimit, NULL },
	{ "client-output-timeout", 0, 0, 1, 86400, &kv_server.s_outtime, NULL },
	{ "databases", 0, 1, 0, 0, NULL, "1" },
	{ "maxmemory-policy", 0, 1, 0, 0, NULL, "noeviction" },
	{ "save", 0, 1, 0, 0, NULL, "" },
	{ "appendonly", 0, 1, 0, 0, NULL, "no" },
};

#define NPARAMS		KV_COUNT(params)

static const char usage[] =
"usage: lwkt-kv [options]\n"
"  --port N         listen on this TCP port (6379; 0: any free one)\n"
"  --port-auto N    the same, or the next port that is free\n"
"  --bind ADDR      address to listen on (127.0.0.1)\n"
"  --cpus N         CPUs to use (all that the process may)\n"
"  --maxmemory N    bytes, or with a unit (100mb); 0: no limit (0)\n"
"  --maxclients N   connections at a time (10000)\n"
"  --version        say which version this is\n"
"  --help           say this\n";

static const struct param *
find(const struct kv_arg *name)
{
	for (size_t i = 0; i < NPARAMS; i++) {
		if (kv_arg_is(name, params[i].m_name))
			return &params[i];
	}
	return NULL;
}

/* Bytes with a unit: 100, 64k, 10kb, 1gb (k = 1000, kb = 1024). */
static bool
parse_size(const struct kv_arg *a, uint64_t *valp)
{
	char num[KV_NUMLEN] = "", *unit;
	uint64_t base = 1000;
	const char *k;

	if (a->a_len >= sizeof(num))
		return false;
	for (size_t i = 0; i < a->a_len; i++)
		num[i] = (char)tolower((unsigned char)a->a_p[i]);
	errno = 0;
	*valp = strtoull(num, &unit, 10);
	if (a->a_len > 0 && num[a->a_len - 1] == 'b') {
		num[a->a_len - 1] = '\0';
		base = 1024;
	}
	for (k = "kmg"; *unit != '\0' && *k != '\0'; k++) {
		if (__builtin_mul_overflow(*valp, base, valp))
			return false;
		unit += *unit == *k;
	}
	return isdigit((unsigned char)num[0]) && errno == 0 && *unit == '\0';
}

/* The value of a text in *valp; NULL or what is wrong with it. */
static const char *
parse(const struct param *m, const struct kv_arg *a, uint64_t *valp)
{
	if (m->m_size && !parse_size(a, valp))
		return "argument must be a memory value";
	if (!m->m_size && (!kv_arg_i64(a, (int64_t *)valp) ||
	    *valp > INT64_MAX))
		return "argument couldn't be parsed into an integer";
	return *valp < m->m_min || *valp > m->m_max ?
	    "argument is out of range" : NULL;
}

static struct kv_arg
arg_of(char *s)
{
	return (struct kv_arg){ .a_p = s, .a_len = strlen(s) };
}

/* An option of the command line and its value; NULL or what is wrong. */
static const char *
set_option(char *name, char *text)
{
	struct kv_arg arg = arg_of(name), val = { 0 };
	const struct param *m = find(&arg);
	const char *wrong;
	uint64_t num;

	if (m == NULL || m->m_text != NULL)
		return "there is no such option";
	if (text == NULL)
		return "it needs a value";
	if (m->m_value == NULL) {
		kv_server.s_bind = text;
		return NULL;
	}
	val = arg_of(text);
	wrong = parse(m, &val, &num);
	if (wrong == NULL)
		*m->m_value = num;
	return wrong;
}

/* Read the command line; true: another port may do. */
bool
kv_options(char **argv)
{
	static char port[] = "port", none[] = "";
	const char *wrong = NULL;
	bool any_port = false;

	while (*++argv != NULL) {
		bool auto_port = strcmp(*argv, "--port-auto") == 0;

		if (strcmp(*argv, "--help") == 0 ||
		    strcmp(*argv, "--version") == 0) {
			printf("%s%s", argv[0][2] == 'h' ? usage : "lwkt-kv ",
			    argv[0][2] == 'h' ? "" : lwkt_version());
			exit(0);
		}
		any_port |= auto_port;
		wrong = set_option(auto_port ? port :
		    strncmp(*argv, "--", 2) == 0 ? *argv + 2 : none, argv[1]);
		if (wrong != NULL) {
			fprintf(stderr, "lwkt-kv: %s: %s\n"
			    "Try lwkt-kv --help.\n", *argv, wrong);
			exit(2);
		}
		argv++;
	}
	return any_port;
}

/* Reply the settings that are wanted, if say; how many. */
static int
get(struct kv_op *op, bool say)
{
	struct kv_reply *r = op->op_out;
	int n = 0;

	for (const struct param *m = params; m < params + NPARAMS; m++) {
		int i = 2;

		while (i < op->op_argc && !kv_glob(&op->op_argv[i], m->m_name,
		    strlen(m->m_name)))
			i++;
		n += i < op->op_argc;
		if (i == op->op_argc || !say)
			continue;
		kv_say_str(r, m->m_name);
		if (m->m_value != NULL)
			kv_say_number(r, (int64_t)*m->m_value);
		else
			kv_say_str(r, m->m_text != NULL ? m->m_text :
			    kv_server.s_bind);
	}
	return n;
}

static void
config_get(struct kv_op *op)
{
	kv_say_many(op->op_out, '%', get(op, false));
	get(op, true);
}

/* A setting and the value behind it; false: that is wrong, and replied. */
static bool
check(struct kv_op *op, const struct kv_arg *name, uint64_t *valp)
{
	const struct param *m = find(name);
	const char *wrong = m == NULL ? NULL : m->m_fixed ?
	    "can't set immutable config" : parse(m, &name[1], valp);

	if (m == NULL)
		kv_say_error(op->op_out, "ERR Unknown option or number of "
		    "arguments for CONFIG SET - '%.*s'", kv_arg_show(name),
		    name->a_p);
	else if (wrong != NULL)
		kv_say_error(op->op_out, "ERR CONFIG SET failed (possibly "
		    "related to argument '%s') - %s", m->m_name, wrong);
	return m != NULL && wrong == NULL;
}

/* All or none: all are looked at first. */
static void
config_set(struct kv_op *op)
{
	uint64_t val;

	if (op->op_argc % 2 != 0) {
		kv_op_fail(op, KV_E_SYNTAX);
		return;
	}
	for (int i = 2; i < op->op_argc; i += 2) {
		if (!check(op, &op->op_argv[i], &val))
			return;
	}
	for (int i = 2; i < op->op_argc; i += 2) {
		check(op, &op->op_argv[i], &val);
		*find(&op->op_argv[i])->m_value = val;
	}
	kv_say_ok(op->op_out);
}

static struct kv_cmd rows[] = {
	KV_CONN("config|get", -3, "", config_get),
	KV_CONN("config|set", -4, "", config_set),
};

const struct kv_family kv_config_family = KV_FAMILY("server", KV_ANY, rows);
