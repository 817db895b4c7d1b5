/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONFIG: one row a parameter.  Some can be changed while the server runs;
 * some are constants that clients like to ask for.
 */
#include "server.h"

#include <string.h>

struct param {
	const char	*m_name;
	_Atomic uint64_t *m_value;	/* NULL: constant */
	const char	*m_text;	/* the constant */
	bool		 m_size;	/* in bytes, units allowed */
	uint64_t	 m_min, m_max;
};

static const struct param params[] = {
	{ .m_name = "maxmemory", .m_value = &kv_server.s_maxmemory,
	    .m_size = true, .m_max = INT64_MAX },
	{ .m_name = "maxclients", .m_value = &kv_server.s_maxclients,
	    .m_min = 1, .m_max = 1000000 },
	{ .m_name = "client-output-limit", .m_value = &kv_server.s_outlimit,
	    .m_size = true, .m_min = 1024, .m_max = INT64_MAX },
	{ .m_name = "client-output-timeout", .m_value = &kv_server.s_outtime,
	    .m_min = 1, .m_max = 86400 },
	{ .m_name = "port" },
	{ .m_name = "bind" },
	{ .m_name = "databases", .m_text = "1" },
	{ .m_name = "maxmemory-policy", .m_text = "noeviction" },
	{ .m_name = "proto-max-bulk-len", .m_text = "536870912" },
	{ .m_name = "save", .m_text = "" },
	{ .m_name = "appendonly", .m_text = "no" },
	{ .m_name = "timeout", .m_text = "0" },
};

#define NPARAMS	(sizeof(params) / sizeof(params[0]))

static void
reply_value(struct kv_reply *r, const struct param *m)
{
	if (m->m_value != NULL)
		kv_reply_bulk_int(r, (int64_t)atomic_load(m->m_value));
	else if (m->m_text != NULL)
		kv_reply_str(r, m->m_text);
	else if (strcmp(m->m_name, "port") == 0)
		kv_reply_bulk_int(r, kv_server.s_port);
	else
		kv_reply_str(r, kv_server.s_bind);
}

static bool
wanted(const struct param *m, struct kv_arg *argv, int argc)
{
	for (int i = 2; i < argc; i++) {
		if (kv_glob(argv[i].a_p, argv[i].a_len, m->m_name,
		    strlen(m->m_name)))
			return true;
	}
	return false;
}

static void
config_get(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	unsigned int n = 0;

	for (size_t i = 0; i < NPARAMS; i++)
		n += wanted(&params[i], argv, argc);
	kv_reply_map(&c->c_out, n);
	for (size_t i = 0; i < NPARAMS; i++) {
		if (wanted(&params[i], argv, argc)) {
			kv_reply_str(&c->c_out, params[i].m_name);
			reply_value(&c->c_out, &params[i]);
		}
	}
}

static const struct param *
find(const struct kv_arg *name)
{
	for (size_t i = 0; i < NPARAMS; i++) {
		if (kv_arg_is(name, params[i].m_name))
			return &params[i];
	}
	return NULL;
}

/* The value of an argument in *valp; NULL or what is wrong with it. */
static const char *
parse(const struct param *m, const struct kv_arg *a, uint64_t *valp)
{
	char buf[KV_NUMLEN];
	int64_t num;

	if (m->m_value == NULL)
		return "can't set immutable config";
	if (a->a_len >= sizeof(buf))
		return "argument too long";
	memcpy(buf, a->a_p, a->a_len);
	buf[a->a_len] = '\0';
	if (m->m_size) {
		if (!kv_parse_size(buf, valp))
			return "argument must be a memory value";
	} else if (kv_parse_i64(buf, a->a_len, &num) && num >= 0) {
		*valp = (uint64_t)num;
	} else {
		return "argument couldn't be parsed into an integer";
	}
	if (*valp < m->m_min || *valp > m->m_max)
		return "argument is out of range";
	return NULL;
}

/* All or none: the values are parsed first. */
static void
config_set(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	uint64_t val[NPARAMS];
	int n = (argc - 2) / 2;

	if (argc % 2 != 0 || n > (int)NPARAMS) {
		kv_reply_error(&c->c_out, "ERR syntax error");
		return;
	}
	for (int i = 0; i < n; i++) {
		const struct kv_arg *name = &argv[2 + 2 * i];
		const struct param *m = find(name);
		const char *wrong;

		if (m == NULL) {
			kv_reply_error(&c->c_out, "ERR Unknown option or "
			    "number of arguments for CONFIG SET - '%.*s'",
			    name->a_len < 128 ? (int)name->a_len : 128,
			    name->a_p);
			return;
		}
		wrong = parse(m, &name[1], &val[i]);
		if (wrong != NULL) {
			kv_reply_error(&c->c_out, "ERR CONFIG SET failed "
			    "(possibly related to argument '%s') - %s",
			    m->m_name, wrong);
			return;
		}
	}
	for (int i = 0; i < n; i++)
		atomic_store(find(&argv[2 + 2 * i])->m_value, val[i]);
	kv_reply_status(&c->c_out, "OK");
}

static void
config_resetstat(struct kv_conn *c)
{
	struct kv_op *ops = kv_alloc(kv_server.s_ncpus * sizeof(*ops));

	kv_everywhere(c, ops, kv_op_stats_reset, NULL);
	kv_free(ops);
	atomic_store(&kv_server.s_rejected, 0);
	kv_reply_status(&c->c_out, "OK");
}

void
kv_cmd_config(struct kv_conn *c, struct kv_arg *argv, int argc)
{
	bool get = kv_arg_is(&argv[1], "get");
	bool set = kv_arg_is(&argv[1], "set");
	bool resetstat = kv_arg_is(&argv[1], "resetstat");

	if (get && argc >= 3)
		config_get(c, argv, argc);
	else if (set && argc >= 4)
		config_set(c, argv, argc);
	else if (resetstat && argc == 2)
		config_resetstat(c);
	else
		kv_sub_error(c, argv, "config", get || set || resetstat);
}
