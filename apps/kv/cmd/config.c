/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings, one row each: the options of the command line, and CONFIG.
 * Some can be changed while the server runs; some are constants that clients
 * ask for.
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define RESERVED_FDS	64	/* not for clients */

/*
 * Raise the limit of descriptors for this number of clients; return for how
 * many clients the limit is enough.
 */
uint64_t
kv_clients_room(uint64_t clients)
{
	rlim_t want = clients + RESERVED_FDS;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur >= want)
		return clients;
	rl.rlim_cur = rl.rlim_max < want ? rl.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
		getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur >= want)
		return clients;
	return rl.rlim_cur > 2 * RESERVED_FDS ? rl.rlim_cur - RESERVED_FDS :
	    rl.rlim_cur / 2;
}

/* A number; bytes, perhaps with a unit; or yes and no, which are 1 and 0. */
enum kind { NUMBER, BYTES, YESNO };

static const struct param {
	const char	*m_name;
	enum kind	 m_kind;
	bool		 m_fixed;	/* while the server runs */
	uint64_t	 m_min, m_max;
	_Atomic uint64_t *m_value;	/* NULL: m_text */
	const char	*m_text;	/* NULL: s_bind */
	/* Returns how much of a value the machine allows.  NULL: all. */
	uint64_t	(*m_room)(uint64_t);
} params[] = {
	{ "port", NUMBER, 1, 0, 65535, &kv_server.s_port, NULL, NULL },
	{ "bind", NUMBER, 1, 0, 0, NULL, NULL, NULL },
	{ "cpus", NUMBER, 1, 1, KV_MAXCPU, &kv_server.s_wantcpus, NULL, NULL },
	{ "maxmemory", BYTES, 0, 0, INT64_MAX, &kv_server.s_maxmemory, NULL,
	    NULL },
	{ "maxclients", NUMBER, 0, 1, UINT32_MAX, &kv_server.s_maxclients,
	    NULL, kv_clients_room },
	{ "protected-mode", YESNO, 0, 0, 1, &kv_server.s_protected, NULL,
	    NULL },
	{ "client-query-buffer-limit", BYTES, 0, 1 << 20, INT64_MAX,
	    &kv_server.s_inlimit, NULL, NULL },
	{ "client-output-limit", BYTES, 0, 1024, INT64_MAX,
	    &kv_server.s_outlimit, NULL, NULL },
	{ "client-reply-limit", BYTES, 0, 1 << 20, INT64_MAX,
	    &kv_server.s_replylimit, NULL, NULL },
	{ "client-output-timeout", NUMBER, 0, 1, 86400, &kv_server.s_outtime,
	    NULL, NULL },
	{ "databases", NUMBER, 1, 0, 0, NULL, "1", NULL },
	{ "maxmemory-policy", NUMBER, 1, 0, 0, NULL, "noeviction", NULL },
	{ "save", NUMBER, 1, 0, 0, NULL, "", NULL },
	{ "appendonly", NUMBER, 1, 0, 0, NULL, "no", NULL },
};

#define NPARAMS		KV_COUNT(params)
#define GLOB_STEPS	256	/* steps of a match, then others may run */
#define WHYLEN		128	/* room for what is wrong with a value */

static const char usage[] =
"usage: lwkt-kv [options]\n"
"  --port N         listen on this TCP port (6379; 0: any free one)\n"
"  --port-auto N    the same, or the next port that is free\n"
"  --bind ADDR      address to listen on (127.0.0.1)\n"
"  --cpus N         CPUs to use (all that the process may)\n"
"  --maxmemory N    bytes, or with a unit (100mb); 0: no limit (0)\n"
"  --maxclients N   connections at a time (10000)\n"
"  --protected-mode yes|no\n"
"                   serve only this machine (yes); there is no password\n"
"  --version        say which version this is\n"
"  --help           say this\n";

/* Find a setting. */
static const struct param *
find(const struct kv_arg *name)
{
	for (size_t i = 0; i < NPARAMS; i++) {
		if (kv_arg_is(name, params[i].m_name))
			return &params[i];
	}
	return NULL;
}

/* Read bytes with a unit: 100, 64k, 10kb, 1gb (k = 1000, kb = 1024). */
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

/* Read yes or no, as 1 or 0. */
static bool
parse_yesno(const struct kv_arg *a, uint64_t *valp)
{
	*valp = kv_arg_is(a, "yes");
	return *valp == 1 || kv_arg_is(a, "no");
}

/* Read a number; a negative one becomes UINT64_MAX. */
static bool
parse_number(const struct kv_arg *a, uint64_t *valp)
{
	int64_t val;
	bool good = kv_arg_i64(a, &val);

	*valp = good && val >= 0 ? (uint64_t)val : UINT64_MAX;
	return good;
}

/* Read a value into *valp.  If it is wrong, return false; why says what is. */
static bool
parse(const struct param *m, const struct kv_arg *a, uint64_t *valp,
    char why[static WHYLEN])
{
	static const struct {
		bool		(*fn)(const struct kv_arg *, uint64_t *);
		const char	*wrong;
	} kinds[] = {
		[NUMBER] = { parse_number,
		    "couldn't be parsed into an integer" },
		[BYTES] = { parse_size, "must be a memory value" },
		[YESNO] = { parse_yesno, "must be 'yes' or 'no'" },
	};
	bool good = kinds[m->m_kind].fn(a, valp);

	if (!good) {
		snprintf(why, WHYLEN, "argument %s", kinds[m->m_kind].wrong);
	} else if (*valp < m->m_min || *valp > m->m_max) {
		snprintf(why, WHYLEN, "argument must be between %lu and %lu "
		    "inclusive", m->m_min, m->m_max);
		good = false;
	}
	return good;
}

/*
 * Do the same while the server runs: then some settings are fixed, and the
 * machine may not allow the value.
 */
static bool
parse_now(const struct param *m, const struct kv_arg *a, uint64_t *valp,
    char why[static WHYLEN])
{
	uint64_t room;

	if (m->m_fixed) {
		snprintf(why, WHYLEN, "can't set immutable config");
		return false;
	}
	if (!parse(m, a, valp, why))
		return false;
	room = m->m_room != NULL ? m->m_room(*valp) : *valp;
	if (room < *valp)
		snprintf(why, WHYLEN, "The operating system is not able to "
		    "handle the specified number of clients, try with %lu",
		    room);
	return room >= *valp;
}

/* Make an argument of a text. */
static struct kv_arg
arg_of(char *s)
{
	return (struct kv_arg){ .a_p = s, .a_len = strlen(s) };
}

/* Carry out an option of the command line; return what is wrong, or NULL. */
static const char *
set_option(char *name, char *text)
{
	static char why[WHYLEN];
	struct kv_arg arg = arg_of(name), val = { 0 };
	const struct param *m = find(&arg);
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
	if (!parse(m, &val, &num, why))
		return why;
	*m->m_value = num;
	return NULL;
}

/* Read the command line; return whether the next free port may be used. */
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

/* Return whether the setting matches a pattern of CONFIG GET. */
static bool
wanted(struct kv_op *op, const struct param *m)
{
	enum kv_glob_what what = KV_GLOB_NO;
	struct kv_glob g;

	for (int i = 2; i < op->op_argc && what != KV_GLOB_YES; i++) {
		kv_glob_begin(&g, &op->op_argv[i], m->m_name,
		    strlen(m->m_name));
		do
			what = kv_glob_run(&g, GLOB_STEPS);
		while (what == KV_GLOB_MORE && kv_pause(op));
		if (i % GLOB_STEPS == 0 && !kv_pause(op))
			break;
	}
	return what == KV_GLOB_YES;
}

/* CONFIG GET */
static void
config_get(struct kv_op *op)
{
	struct kv_reply *r = op->op_out;
	bool say[NPARAMS];
	int n = 0;

	for (size_t i = 0; i < NPARAMS; i++)
		n += say[i] = wanted(op, &params[i]);
	kv_say_many(r, '%', n);
	for (size_t i = 0; i < NPARAMS; i++) {
		const struct param *m = &params[i];

		if (!say[i])
			continue;
		kv_say_str(r, m->m_name);
		if (m->m_kind == YESNO)
			kv_say_str(r, *m->m_value != 0 ? "yes" : "no");
		else if (m->m_value != NULL)
			kv_say_number(r, (int64_t)*m->m_value);
		else
			kv_say_str(r, m->m_text != NULL ? m->m_text :
			    kv_server.s_bind);
	}
}

/* Check a setting and its value.  Returns false if an error was replied. */
static bool
check(struct kv_op *op, const struct kv_arg *name, uint64_t *valp)
{
	const struct param *m = find(name);
	char why[WHYLEN];
	bool good = m != NULL && parse_now(m, &name[1], valp, why);

	if (m == NULL)
		kv_say_error(op->op_out, "ERR Unknown option or number of "
		    "arguments for CONFIG SET - '%.*s'", kv_arg_show(name),
		    name->a_p);
	else if (!good)
		kv_say_error(op->op_out, "ERR CONFIG SET failed (possibly "
		    "related to argument '%s') - %s", m->m_name, why);
	return good;
}

/* CONFIG SET: all settings or none, so all are checked first. */
static void
config_set(struct kv_op *op)
{
	uint64_t val;

	if (op->op_argc % 2 != 0) {
		kv_op_fail(op, KV_E_SYNTAX);
		return;
	}
	for (int i = 2; i < op->op_argc; i += 2) {
		if (!check(op, &op->op_argv[i], &val) || !kv_pause(op))
			return;
	}
	for (int i = 2; i < op->op_argc; i += 2) {
		check(op, &op->op_argv[i], &val);
		*find(&op->op_argv[i])->m_value = val;
	}
	kv_say_ok(op->op_out);
}

static struct kv_cmd rows[] = {
	KV_CONN("config", -2, KV_ADMIN | KV_LOADING, kv_subcommand),
	KV_CONN("config|get", -3, 0, config_get),
	KV_CONN("config|set", -4, 0, config_set),
};

const struct kv_family kv_config_family = KV_FAMILY("server", KV_ANY, rows);
