/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options in every order, repeated and wrong: the store and redis-server must
 * say and do the same.  Each case is one command, in front of it what makes
 * its key, behind it what shows what has become of that.  Cases are mixed and
 * sent in pipelines of random lengths.  Skipped where redis-server is missing.
 */
#include "redis.h"

#define MAXWORDS	12
#define MAXCASES	60000
#define MAXBATCH	400

/* K is the key.  A state is what the key is before the command. */
static const char *const strings[] = {
	"", "SET K old", "SET K old EX 5000", "RPUSH K a", NULL
};
static const char *const zsets[] = {
	"", "ZADD K 1 a 2 b 3 c 3 d", NULL
};
static const char *const lexes[] = { "ZADD K 0 a 0 b 0 c 0 d 0 e", NULL };
static const char *const sets[] = { "", "SADD K a", NULL };
static const char *const lists[] = { "", "RPUSH K a b c", "SET K x", NULL };
static const char *const none[] = { "", NULL };

static const struct family {
	const char	*command;	/* its options follow */
	int		 most;		/* options at a time */
	const char	*words[MAXWORDS];
	const char	*behind;	/* what follows the options */
	const char *const *states;
	const char	*shows[3];	/* what the key is after that */
	const char	*must;		/* without this word: left out */
	bool		 one_cpu;	/* the reply shows the shards */
	int		 sort;
} families[] = {
	{ "SET K new", 3, { "NX", "XX", "GET", "EX 7000", "PX 9000000",
	    "EXAT 4102444800", "PXAT 4102444800000", "KEEPTTL", "FOO", "EX 0",
	    "px x" }, "", strings, { "TTL K", "GET K" }, NULL, 0, 0 },
	{ "GETEX K", 3, { "EX 7000", "PX 9000000", "EXAT 4102444800",
	    "PXAT 4102444800000", "PERSIST", "FOO", "EX -1", "EX" }, "",
	    strings, { "TTL K" }, NULL, 0, 0 },
	{ "ZADD K", 3, { "NX", "XX", "GT", "LT", "CH", "INCR", "FOO" },
	    "2 a", zsets, { "ZRANGE K 0 -1 WITHSCORES" }, NULL, 0, 0 },
	{ "ZADD K", 3, { "NX", "XX", "GT", "LT", "CH", "INCR" },
	    "0 b 2.5 n", zsets, { "ZRANGE K 0 -1 WITHSCORES" }, NULL, 0, 0 },
	{ "ZRANGE K 1 3", 4, { "BYSCORE", "REV", "WITHSCORES", "LIMIT 1 2",
	    "LIMIT 0 -1", "FOO", "LIMIT 1" }, "", zsets, { 0 }, NULL, 0, 0 },
	{ "ZRANGE K 3 1", 3, { "BYSCORE", "BYLEX", "REV", "WITHSCORES",
	    "LIMIT 1 2", "LIMIT x 1" }, "", zsets, { 0 }, NULL, 0, 0 },
	{ "ZRANGE K [b (e", 4, { "BYLEX", "REV", "WITHSCORES", "LIMIT 1 2",
	    "LIMIT -1 1" }, "", lexes, { 0 }, NULL, 0, 0 },
	{ "ZRANGE K + -", 3, { "BYLEX", "REV", "LIMIT 1 2" }, "", lexes, { 0 },
	    NULL, 0, 0 },
	{ "ZRANGEBYSCORE K (1 3", 3, { "WITHSCORES", "LIMIT 0 1",
	    "LIMIT 1 -1", "LIMIT -1 2", "LIMIT 1", "REV" }, "", zsets, { 0 },
	    NULL, 0, 0 },
	{ "EXPIRE K 6000", 3, { "NX", "XX", "GT", "LT", "FOO" }, "", strings,
	    { "TTL K" }, NULL, 0, 0 },
	{ "PEXPIRE K 4000000", 3, { "NX", "XX", "GT", "LT" }, "", strings,
	    { "TTL K" }, NULL, 0, 0 },
	{ "EXPIREAT K 4102444800", 2, { "NX", "XX", "GT", "LT", "FOO" }, "",
	    strings, { "TTL K" }, NULL, 0, 0 },
	{ "PEXPIREAT K 1", 2, { "NX", "XX", "GT", "LT" }, "", strings,
	    { "TTL K" }, NULL, 0, 0 },
	{ "SCAN 0", 4, { "MATCH K*", "MATCH k", "COUNT 100", "COUNT 99",
	    "TYPE string", "TYPE list", "FOO", "COUNT 0" }, "", strings,
	    { 0 }, NULL, 1, 2 },
	{ "CLIENT KILL", 4, { "ID 99999999", "ADDR 1.2.3.4:5",
	    "LADDR 1.2.3.4:5", "SKIPME yes", "SKIPME no", "FOO x", "ID 0" },
	    "", none, { "PING" }, "ID 9", 0, 0 },
	{ "HELLO 2", 4, { "AUTH default x", "AUTH bob x", "SETNAME one",
	    "SETNAME two", "FOO", "AUTH x" }, "", none, { "CLIENT GETNAME" },
	    NULL, 0, 0 },
	{ "HELLO 3", 2, { "AUTH default x", "SETNAME one", "FOO" }, "", none,
	    { "CLIENT GETNAME", "HELLO 2 SETNAME x" }, NULL, 0, 0 },
	{ "LPOP K", 2, { "1", "0", "-1", "x", "9" }, "", lists,
	    { "LRANGE K 0 -1" }, NULL, 0, 0 },
	{ "RPOP K", 2, { "2", "0", "x" }, "", lists, { "LRANGE K 0 -1" },
	    NULL, 0, 0 },
	{ "SPOP K", 2, { "1", "0", "-1", "x" }, "", sets, { "SCARD K" }, NULL,
	    0, 0 },
	{ "SRANDMEMBER K", 2, { "1", "0", "-2", "x",
	    "-9223372036854775808" }, "", sets, { 0 }, NULL, 0, 0 },
	{ "ZPOPMIN K", 2, { "1", "0", "-1", "x" }, "", zsets, { "ZCARD K" },
	    NULL, 0, 0 },
	{ "ZPOPMAX K", 2, { "2", "0", "-1", "x" }, "", zsets, { "ZCARD K" },
	    NULL, 0, 0 },
	{ "FLUSHDB", 2, { "SYNC", "ASYNC", "FOO" }, "", none, { "DBSIZE" },
	    NULL, 1, 0 },
};

#define NFAMILIES	(sizeof(families) / sizeof(families[0]))

static struct testcase {
	const struct family *f;
	const char	*state;
	char		*command;
} cases[MAXCASES];
static int ncases;

/* Number i of the rows of up to most words; NULL behind the last. */
static char *
row(const struct family *f, int i)
{
	struct text t = { 0 };
	int nwords = 0, len = 0, rows = 1;

	while (nwords < MAXWORDS && f->words[nwords] != NULL)
		nwords++;
	for (; i >= rows; rows *= nwords, len++)
		i -= rows;
	if (len > f->most)
		return NULL;
	text_str(&t, f->command);
	for (; len > 0; len--, i /= nwords) {
		text_str(&t, " ");
		text_str(&t, f->words[i % nwords]);
	}
	text_str(&t, " ");
	text_str(&t, f->behind);
	return t.p;
}

static void
make_cases(bool one_cpu)
{
	ncases = 0;
	for (size_t k = 0; k < NFAMILIES; k++) {
		const struct family *f = &families[k];
		char *command;

		if (f->one_cpu != one_cpu)
			continue;
		for (int i = 0; (command = row(f, i)) != NULL; i++) {
			if (f->must != NULL &&
			    strstr(command, f->must) == NULL) {
				free(command);
				continue;
			}
			for (int s = 0; f->states[s] != NULL &&
			    ncases < MAXCASES; s++)
				cases[ncases++] = (struct testcase){ f,
				    f->states[s], strdup(command) };
			free(command);
		}
	}
}

/* Any order of the cases. */
static void
mix(uint64_t *seed)
{
	for (int i = ncases - 1; i > 0; i--) {
		int k = (int)(test_random(seed) % (uint64_t)(i + 1));
		struct testcase t = cases[i];

		cases[i] = cases[k];
		cases[k] = t;
	}
}

static char *batch[MAXBATCH];
static int sorts[MAXBATCH], nbatch;

static void
add(const char *line, int key, int sort)
{
	struct text t = { 0 };
	char name[16];

	if (line == NULL || *line == '\0')
		return;
	snprintf(name, sizeof(name), "Key%d", key);
	for (const char *p = line; *p != '\0'; p++) {
		if (*p == 'K' && p > line && p[-1] == ' ' &&
		    (p[1] == ' ' || p[1] == '\0'))
			text_str(&t, name);
		else
			text_add(&t, p, 1);
	}
	batch[nbatch] = t.p;
	sorts[nbatch++] = sort;
}

/* Send what is in the batch to both, in one go; how many replies differ. */
static int
run_batch(struct client c[2])
{
	int differ = 0;

	for (int i = 0; i < nbatch; i++) {
		client_command(&c[0], batch[i]);
		client_command(&c[1], batch[i]);
	}
	for (int i = 0; i < nbatch; i++) {
		differ += !same_reply(c, batch[i], sorts[i]);
		free(batch[i]);
	}
	nbatch = 0;
	return differ;
}

static void
options_mean_the_same(int port, int redis, bool one_cpu, uint64_t *seed)
{
	struct client c[2] = { client_open(port), client_open(redis) };
	int differ = 0, i;

	make_cases(one_cpu);
	mix(seed);
	for (i = 0; i < ncases && differ < 10 && !c[0].dead; i++) {
		const struct testcase *t = &cases[i];
		int key = one_cpu ? 1 : (int)(test_random(seed) % 6);

		add("DEL K", key, 0);
		add(t->state, key, 0);
		add(t->command, key, t->f->sort);
		for (int k = 0; k < 3; k++)
			add(t->f->shows[k], key, 0);
		add("DEL K", key, 0);
		if (nbatch > MAXBATCH - 10 || test_random(seed) % 20 == 0)
			differ += run_batch(c);
	}
	differ += run_batch(c);
	is_int(differ, 0, "%d cases", i);
	ok(ncases < MAXCASES, "all that there are");
	for (i = 0; i < ncases; i++)
		free(cases[i].command);
	client_close(&c[0]);
	client_close(&c[1]);
}

int
main(void)
{
	uint64_t seed;
	struct server s;
	int port;

	watchdog(160);
	if (!have_program("redis-server"))
		skip_all("there is no redis-server");
	seed = test_seed();
	port = start_redis();
	if (!ok(port > 0, "redis-server runs"))
		return tap_done();
	for (int cpus = 1; cpus < 3; cpus++) {
		s = server_start((const char *const[]){ "--cpus",
		    cpus == 1 ? "1" : "2", NULL });
		options_mean_the_same(s.port, port, cpus == 1, &seed);
		is_int(server_stop(&s, SIGTERM), 0, "the store ends well");
	}
	kill(redis_pid, SIGKILL);
	waitpid(redis_pid, NULL, 0);
	return tap_done();
}
