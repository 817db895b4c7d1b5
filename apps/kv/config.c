/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings, one row each: the options of the command line, and CONFIG.
 * Some can be changed while the server runs; some are constants that clients
 * like to ask for.
 */
#include "server.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kv_server kv_server = {
	.s_port = 6379,
	.s_bind = "127.0.0.1",
	.s_maxclients = 10000,
	.s_outlimit = 64 << 20,
	.s_outtime = 10,
};

static _Atomic uint64_t want_cpus;

struct param {
	const char	*m_name;
	_Atomic uint64_t *m_value;	/* NULL: m_text */
	uint64_t	 m_min, m_max;
	bool		 m_size;	/* in bytes, units allowed */
	bool		 m_fixed;	/* while the server runs */
	const char	*m_text;	/* NULL: s_bind */
};

static const struct param params[] = {
	{ "maxmemory", &kv_server.s_maxmemory, 0, INT64_MAX, .m_size = true },
	{ "maxclients", &kv_server.s_maxclients, 1, .m_max = 1000000 },
	{ "client-output-limit", &kv_server.s_outlimit, 1024, INT64_MAX,
	    .m_size = true },
	{ "client-output-timeout", &kv_server.s_outtime, 1, .m_max = 86400 },
	{ "port", &kv_server.s_port, 0, 65535, .m_fixed = true },
	{ "bind", .m_fixed = true },
	{ "databases", .m_fixed = true, .m_text = "1" },
	{ "maxmemory-policy", .m_fixed = true, .m_text = "noeviction" },
	{ "proto-max-bulk-len", .m_fixed = true, .m_text = "536870912" },
	{ "save", .m_fixed = true, .m_text = "" },
	{ "appendonly", .m_fixed = true, .m_text = "no" },
	{ "timeout", .m_fixed = true, .m_text = "0" },
	/* Of the command line alone. */
	{ "cpus", &want_cpus, 1, .m_max = KV_MAXCPU },
};

#define NPARAMS	(KV_COUNT(params) - 1)	/* that CONFIG knows */
#define CPUS	NPARAMS
#define PORT	4
#define BIND	5

static const char usage_text[] =
"usage: lwkt-kv [options]\n"
"  --port N         listen on this TCP port (6379; 0: any free one)\n"
"  --port-auto N    the same, or the next port that is free\n"
"  --bind ADDR      address to listen on (127.0.0.1)\n"
"  --cpus N         CPUs to use (all that the process may)\n"
"  --maxmemory N    bytes, or with a unit (100mb); 0: no limit (0)\n"
"  --maxclients N   connections at a time (10000)\n"
"  --version        say which version this is\n"
"  --help           say this\n";

/* The value of a text in *valp; NULL or what is wrong with it. */
static const char *
parse(const struct param *m, const char *text, uint64_t *valp)
{
	int64_t num;

	if (m->m_size) {
		if (!kv_parse_size(text, valp))
			return "argument must be a memory value";
	} else if (kv_parse_i64(text, strlen(text), &num) && num >= 0) {
		*valp = (uint64_t)num;
	} else {
		return "argument couldn't be parsed into an integer";
	}
	if (*valp < m->m_min || *valp > m->m_max)
		return "argument is out of range";
	return NULL;
}

static void __attribute__((noreturn)) KV_PRINTFLIKE(1, 2)
wrong_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try lwkt-kv --help.\n");
	exit(2);
}

static void
set_option(const struct param *m, const char *text)
{
	uint64_t val;

	if (m->m_value == NULL)
		kv_server.s_bind = text;
	else if (parse(m, text, &val) == NULL)
		*m->m_value = val;
	else if (m->m_size)
		wrong_usage("lwkt-kv: --%s %s: not a size\n", m->m_name,
		    text);
	else
		wrong_usage("lwkt-kv: --%s %s: not a number from %lu to %lu\n",
		    m->m_name, text, m->m_min, m->m_max);
}

/* The options of the command line; how many CPUs, 0: as many as there are. */
unsigned int
kv_options(int argc, char **argv, bool *auto_portp)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, PORT },
		{ "port-auto", required_argument, NULL, 'a' },
		{ "bind", required_argument, NULL, BIND },
		{ "cpus", required_argument, NULL, CPUS },
		{ "maxmemory", required_argument, NULL, 0 },
		{ "maxclients", required_argument, NULL, 1 },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'v' || opt == 'h') {
			if (opt == 'v')
				printf("lwkt-kv %s\n", lwkt_version());
			else
				fputs(usage_text, stdout);
			exit(0);
		}
		if (opt == '?')
			wrong_usage("%s", "");	/* getopt said why */
		if (opt == 'a' || opt == PORT)
			*auto_portp = opt == 'a';
		set_option(&params[opt == 'a' ? PORT : opt], optarg);
	}
	if (optind < argc)
		wrong_usage("lwkt-kv: what is '%s'?\n", argv[optind]);
	return (unsigned int)want_cpus;
}

static bool
wanted(struct kv_op *op, const char *name)
{
	for (int i = 2; i < op->op_argc; i++) {
		if (kv_glob(op->op_argv[i].a_p, op->op_argv[i].a_len, name,
		    strlen(name)))
			return true;
	}
	return false;
}

static void
config_get(struct kv_op *op)
{
	struct kv_reply *r = op->op_out;
	int n = 0;

	for (size_t i = 0; i < NPARAMS; i++)
		n += wanted(op, params[i].m_name);
	kv_say_many(r, '%', n);
	for (size_t i = 0; i < NPARAMS; i++) {
		const struct param *m = &params[i];

		if (!wanted(op, m->m_name))
			continue;
		kv_say_str(r, m->m_name);
		if (m->m_value != NULL)
			kv_say_number(r, (int64_t)*m->m_value);
		else
			kv_say_str(r, m->m_text != NULL ? m->m_text :
			    kv_server.s_bind);
	}
}

/* The parameter an argument names, the value behind it; false: an error. */
static bool
read_setting(struct kv_op *op, const struct kv_arg *name,
    const struct param **mp, uint64_t *valp)
{
	const struct kv_arg *val = &name[1];
	const struct param *m = params;
	const char *wrong;
	char buf[KV_NUMLEN];

	while (m < params + NPARAMS && !kv_arg_is(name, m->m_name))
		m++;
	*mp = m;
	if (m == params + NPARAMS) {
		kv_say_error(op->op_out, "ERR Unknown option or number of "
		    "arguments for CONFIG SET - '%.*s'", kv_arg_show(name),
		    name->a_p);
		return false;
	}
	if (m->m_fixed) {
		wrong = "can't set immutable config";
	} else if (val->a_len >= sizeof(buf)) {
		wrong = "argument too long";
	} else {
		memcpy(buf, val->a_p, val->a_len);
		buf[val->a_len] = '\0';
		wrong = parse(m, buf, valp);
	}
	if (wrong != NULL)
		kv_say_error(op->op_out, "ERR CONFIG SET failed (possibly "
		    "related to argument '%s') - %s", m->m_name, wrong);
	return wrong == NULL;
}

/* All or none: the values are read first. */
static void
config_set(struct kv_op *op)
{
	const struct param *m[NPARAMS];
	uint64_t val[NPARAMS];
	size_t n = ((size_t)op->op_argc - 2) / 2;

	if (op->op_argc % 2 != 0 || n > NPARAMS) {
		kv_op_fail(op, KV_E_SYNTAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!read_setting(op, &op->op_argv[2 + 2 * i], &m[i],
		    &val[i]))
			return;
	}
	for (size_t i = 0; i < n; i++)
		*m[i]->m_value = val[i];
	kv_say_ok(op->op_out);
}

static void
resetstat(struct kv_op *op)
{
	kv_server.s_rejected = 0;
	memset(op->op_db->db_count, 0, sizeof(op->op_db->db_count));
}

static struct kv_cmd subs[] = {
	KV_SUB("get", -3, "", config_get), KV_SUB("set", -4, "", config_set),
	KV_SUB("resetstat", 2, "ek", resetstat),
};

const struct kv_family kv_config_subs = KV_FAMILY("CONFIG", KV_ANY, subs);
