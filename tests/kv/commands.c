/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every command, with what Redis 7.0 replies.  With KV_TEST_PORT=N the same
 * table asks the server that is there already: that is how the expectations
 * are proved against redis-server itself.
 */
#include "client.h"

static const struct row {
	const char	*command, *reply;
} rows[] = {
	{ "FLUSHALL", "+OK" },
	/* connection */
	{ "PING", "+PONG" }, { "PING hi", "\"hi\"" }, { "ECHO x", "\"x\"" },
	{ "PING a b",
	    "-ERR wrong number of arguments for 'ping' command" },
	{ "SELECT 0", "+OK" },
	{ "SELECT 9999", "-ERR DB index is out of range" },
	{ "CLIENT SETNAME me", "+OK" }, { "CLIENT GETNAME", "\"me\"" },
	{ "CLIENT SETNAME 'a b'", "-ERR Client names cannot contain spaces, "
	    "newlines or special characters." },
	{ "CLIENT KILL ID 999999999", ":0" },
	{ "CLIENT KILL ID 0",
	    "-ERR client-id should be greater than 0" },
	{ "CLIENT KILL 1.2.3.4:5", "-ERR No such client" },
	{ "CLIENT NOSUCH",
	    "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP." },
	{ "CLIENT|ID", "-ERR unknown command 'CLIENT|ID', with args "
	    "beginning with: " },
	{ "NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning "
	    "with: 'a' 'b' " },
	{ "GET", "-ERR wrong number of arguments for 'get' command" },
	{ "HELLO 4", "-NOPROTO unsupported protocol version" },
	{ "HELLO x",
	    "-ERR Protocol version is not an integer or out of range" },
	{ "HELLO 2 SETNAME one AUTH bob x", "-WRONGPASS invalid "
	    "username-password pair or user is disabled." },
	{ "CLIENT GETNAME", "\"one\"" },
	{ "HELLO 2 AUTH DEFAULT x SETNAME two", "-WRONGPASS invalid "
	    "username-password pair or user is disabled." },
	{ "HELLO 2 SETNAME two AUTH default",
	    "-ERR Syntax error in HELLO option 'AUTH'" },
	{ "CLIENT GETNAME", "\"two\"" },
	{ "HELLO 2 SETNAME 'a b' AUTH bob x", "-ERR Client names cannot "
	    "contain spaces, newlines or special characters." },
	/* what is not there is one error, and the client is served on */
	{ "CONFIG GETxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx x", "-ERR unknown "
	    "subcommand 'GETxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'. Try CONFIG "
	    "HELP." },
	/* configuration */
	{ "CONFIG GET appendonly", "[\"appendonly\", \"no\"]" },
	{ "CONFIG GET nosuch*", "[]" },
	{ "CONFIG GET max*cy", "[\"maxmemory-policy\", \"noeviction\"]" },
	{ "CONFIG SET maxmemory 100mb", "+OK" },
	{ "CONFIG GET maxmemory", "[\"maxmemory\", \"104857600\"]" },
	{ "CONFIG SET maxmemory 0", "+OK" },
	{ "CONFIG SET maxmemory x", "-ERR CONFIG SET failed (possibly "
	    "related to argument 'maxmemory') - argument must be a memory "
	    "value" },
	{ "CONFIG SET maxclients 0", "-ERR CONFIG SET failed (possibly "
	    "related to argument 'maxclients') - argument must be between 1 "
	    "and 4294967295 inclusive" },
	{ "CONFIG SET protected-mode x", "-ERR CONFIG SET failed (possibly "
	    "related to argument 'protected-mode') - argument must be 'yes' "
	    "or 'no'" },
	{ "CONFIG GET protected-mode", "[\"protected-mode\", \"yes\"]" },
	{ "CONFIG SET protected-mode NO", "+OK" },
	{ "CONFIG GET protected-mode", "[\"protected-mode\", \"no\"]" },
	{ "CONFIG SET protected-mode yes", "+OK" },
	{ "CONFIG SET port", "-ERR wrong number of arguments for "
	    "'config|set' command" },
	{ "CONFIG SET nosuch 1", "-ERR Unknown option or number of arguments "
	    "for CONFIG SET - 'nosuch'" },
	/* strings */
	{ "SET k v", "+OK" }, { "GET k", "\"v\"" }, { "GET none", "nil" },
	{ "SET k w NX", "nil" }, { "SET k w XX GET", "\"v\"" },
	{ "SET k x NX GET", "\"w\"" }, { "GET k", "\"w\"" },
	{ "SET k v EX 100", "+OK" }, { "TTL k", ":100" },
	{ "SET k v KEEPTTL", "+OK" }, { "TTL k", ":100" },
	{ "SET k v", "+OK" }, { "TTL k", ":-1" },
	{ "SET k v EX 0", "-ERR invalid expire time in 'set' command" },
	{ "SET k v EX a", "-ERR value is not an integer or out of range" },
	{ "SET k v EX 1 PX 1", "-ERR syntax error" },
	{ "SET k v EX 30 NX", "nil" }, { "SET k v EX 30 XX", "+OK" },
	{ "TTL k", ":30" }, { "SET fresh v EX 30 NX", "+OK" },
	{ "TTL fresh", ":30" }, { "SET fresh w PX 40000 GET", "\"v\"" },
	{ "TTL fresh", ":40" }, { "SET fresh 7 EX 50 XX GET", "\"w\"" },
	{ "TTL fresh", ":50" }, { "SET 5 6 GET EX 100 NX", "nil" },
	{ "TTL 5", ":100" }, { "SET 5 6 EXAT 4102444800 XX", "+OK" },
	{ "GETEX 5 EX 10", "\"6\"" }, { "TTL 5", ":10" },
	{ "SET 5 6 EX 10 NX XX", "-ERR syntax error" },
	{ "SET 5 6 EX NX", "-ERR value is not an integer or out of range" },
	{ "SET 5 6 NX EX", "-ERR syntax error" }, { "DEL 5 fresh", ":2" },
	{ "SET k v EXAT 4102444800", "+OK" },
	{ "SET k v PXAT 1", "+OK" }, { "GET k", "nil" },
	{ "SETNX k 1", ":1" }, { "SETNX k 2", ":0" }, { "GET k", "\"1\"" },
	{ "SETEX k 50 e", "+OK" }, { "TTL k", ":50" },
	{ "SETEX k 0 e", "-ERR invalid expire time in 'setex' command" },
	{ "GETSET k f", "\"e\"" }, { "TTL k", ":-1" },
	{ "GETEX k EX 70", "\"f\"" }, { "TTL k", ":70" },
	{ "GETEX k PERSIST", "\"f\"" }, { "TTL k", ":-1" },
	{ "GETDEL k", "\"f\"" }, { "GETDEL k", "nil" },
	{ "MSET a 1 b 2 c 3", "+OK" },
	{ "MGET a none b c", "[\"1\", nil, \"2\", \"3\"]" },
	{ "MSET a", "-ERR wrong number of arguments for 'mset' command" },
	{ "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command" },
	{ "INCR a", ":2" }, { "DECR a", ":1" }, { "INCRBY a 41", ":42" },
	{ "DECRBY a 2", ":40" }, { "INCR fresh", ":1" },
	{ "SET n 9223372036854775807", "+OK" },
	{ "INCR n", "-ERR increment or decrement would overflow" },
	{ "DECRBY n -9223372036854775808",
	    "-ERR decrement would overflow" },
	{ "SET s abc", "+OK" },
	{ "INCR s", "-ERR value is not an integer or out of range" },
	{ "INCRBYFLOAT a 0.5", "\"40.5\"" }, { "INCRBYFLOAT a 1e2",
	    "\"140.5\"" },
	{ "INCRBYFLOAT s 1", "-ERR value is not a valid float" },
	{ "INCRBYFLOAT a inf",
	    "-ERR increment would produce NaN or Infinity" },
	{ "APPEND s def", ":6" }, { "STRLEN s", ":6" },
	{ "GETRANGE s 1 3", "\"bcd\"" }, { "GETRANGE s -3 -1", "\"def\"" },
	{ "GETRANGE s 5 2", "\"\"" }, { "SETRANGE s 8 xy", ":10" },
	{ "STRLEN s", ":10" }, { "SETRANGE s -1 x",
	    "-ERR offset is out of range" },
	{ "SETRANGE s 536870911 xy", "-ERR string exceeds maximum allowed "
	    "size (proto-max-bulk-len)" },
	/* keys */
	{ "EXISTS a b a none", ":3" }, { "DEL a b none", ":2" },
	{ "UNLINK c", ":1" }, { "TYPE s", "+string" },
	{ "TYPE none", "+none" }, { "RENAME none x", "-ERR no such key" },
	{ "RENAME s t", "+OK" }, { "EXISTS s t", ":1" },
	{ "EXPIRE t 100", ":1" }, { "RENAME t u", "+OK" },
	{ "TTL u", ":100" }, { "PERSIST u", ":1" }, { "PERSIST u", ":0" },
	{ "TTL none", ":-2" }, { "PTTL none", ":-2" }, { "PTTL u", ":-1" },
	{ "EXPIRE u 10 XX", ":0" }, { "EXPIRE u 10 NX", ":1" },
	{ "EXPIRE u 5 GT", ":0" }, { "EXPIRE u 20 GT", ":1" },
	{ "EXPIRE u 30 LT", ":0" }, { "TTL u", ":20" },
	{ "EXPIRE u 1 NX XX", "-ERR NX and XX, GT or LT options at the same "
	    "time are not compatible" },
	{ "EXPIRE u 1 FOO", "-ERR Unsupported option FOO" },
	{ "EXPIRE u 9223372036854775807",
	    "-ERR invalid expire time in 'expire' command" },
	{ "PEXPIRE u 100000", ":1" }, { "TTL u", ":100" },
	{ "EXPIREAT u 4102444800", ":1" }, { "EXPIREAT u 1", ":1" },
	{ "EXISTS u", ":0" }, { "FLUSHDB", "+OK" }, { "DBSIZE", ":0" },
	{ "RANDOMKEY", "nil" }, { "SET only 1", "+OK" },
	{ "RANDOMKEY", "\"only\"" }, { "KEYS o*", "[\"only\"]" },
	{ "KEYS x*", "[]" }, { "DBSIZE", ":1" },
	{ "SCAN x", "-ERR invalid cursor" }, { "SCAN 1.5",
	    "-ERR invalid cursor" }, { "SCAN ' 1'", "-ERR invalid cursor" },
	{ "SCAN 99999999999999999999", "-ERR invalid cursor" },
	{ "SCAN 0 COUNT 0", "-ERR syntax error" },
	{ "FLUSHALL ASYNC", "+OK" }, { "FLUSHALL x", "-ERR syntax error" },
	/* lists */
	{ "RPUSH l a b c", ":3" }, { "LPUSH l z y", ":5" },
	{ "LRANGE l 0 -1", "[\"y\", \"z\", \"a\", \"b\", \"c\"]" },
	{ "LRANGE l -2 100", "[\"b\", \"c\"]" }, { "LRANGE l 3 1", "[]" },
	{ "LLEN l", ":5" }, { "LINDEX l 0", "\"y\"" },
	{ "LINDEX l -1", "\"c\"" }, { "LINDEX l 9", "nil" },
	{ "LINDEX l 9223372036854775807", "nil" },
	{ "LSET l 1 Z", "+OK" }, { "LSET l 9 x",
	    "-ERR index out of range" },
	{ "LSET none 0 x", "-ERR no such key" },
	{ "LPOP l", "\"y\"" }, { "RPOP l 2", "[\"c\", \"b\"]" },
	{ "LPOP none 2", "nil" }, { "LPOP none", "nil" },
	{ "LPOP l -1", "-ERR value is out of range, must be positive" },
	{ "RPUSH l q q", ":4" },
	{ "LREM l -9223372036854775808 q", ":2" },
	{ "RPUSH l a b a", ":5" }, { "LREM l -2 a", ":2" },
	{ "LRANGE l 0 -1", "[\"Z\", \"a\", \"b\"]" },
	{ "LTRIM l 1 1", "+OK" }, { "LRANGE l 0 -1", "[\"a\"]" },
	{ "LTRIM l 5 9", "+OK" }, { "EXISTS l", ":0" },
	{ "SET s x", "+OK" }, { "LPUSH s a", "-WRONGTYPE Operation against "
	    "a key holding the wrong kind of value" },
	/* hashes */
	{ "HSET h f 1 g 2", ":2" }, { "HSET h f 3", ":0" },
	{ "HGET h f", "\"3\"" }, { "HGET h none", "nil" },
	{ "HMGET h f none g", "[\"3\", nil, \"2\"]" }, { "HLEN h", ":2" },
	{ "HEXISTS h f", ":1" }, { "HEXISTS h x", ":0" },
	{ "HINCRBY h f 4", ":7" }, { "HSET h t x", ":1" },
	{ "HINCRBY h t 1", "-ERR hash value is not an integer" },
	{ "HDEL h g t x", ":2" }, { "HGETALL h", "[\"f\", \"7\"]" },
	{ "HKEYS h", "[\"f\"]" }, { "HVALS h", "[\"7\"]" },
	{ "HDEL h f", ":1" }, { "TYPE h", "+none" },
	{ "HSET h f", "-ERR wrong number of arguments for 'hset' command" },
	/* sets */
	{ "SADD t a b a", ":2" }, { "SCARD t", ":2" },
	{ "SISMEMBER t a", ":1" }, { "SISMEMBER t x", ":0" },
	{ "SREM t a x", ":1" }, { "SMEMBERS t", "[\"b\"]" },
	{ "SRANDMEMBER t", "\"b\"" }, { "SRANDMEMBER t 5", "[\"b\"]" },
	{ "SRANDMEMBER t -3", "[\"b\", \"b\", \"b\"]" },
	{ "SPOP t", "\"b\"" }, { "SPOP t", "nil" }, { "TYPE t", "+none" },
	{ "SPOP t -1", "-ERR value is out of range, must be positive" },
	{ "SRANDMEMBER t -9223372036854775808", "-ERR value is out of range, "
	    "value must between -9223372036854775807 and "
	    "9223372036854775807" },
	{ "SRANDMEMBER t -9223372036854775807", "[]" },
	/* sorted sets */
	{ "ZADD z 1 a 2 b 3 c", ":3" }, { "ZADD z 5 a", ":0" },
	{ "ZADD z CH 6 a 2 b", ":1" }, { "ZADD z NX 9 a 4 d", ":1" },
	{ "ZADD z XX INCR 1 none", "nil" }, { "ZADD z INCR 1 d", "\"5\"" },
	{ "ZADD z GT 1 d", ":0" }, { "ZSCORE z d", "\"5\"" },
	{ "ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are "
	    "not compatible" },
	{ "ZADD z x a", "-ERR value is not a valid float" },
	{ "ZADD z 1", "-ERR wrong number of arguments for 'zadd' command" },
	{ "ZADD z 1 a 2", "-ERR syntax error" },
	{ "ZRANGE z 0 -1", "[\"b\", \"c\", \"d\", \"a\"]" },
	{ "ZRANGE z 0 1 REV WITHSCORES", "[\"a\", \"6\", \"d\", \"5\"]" },
	{ "ZRANGE z (2 +inf BYSCORE LIMIT 1 1", "[\"d\"]" },
	{ "ZRANGEBYSCORE z 3 5", "[\"c\", \"d\"]" },
	{ "ZRANGEBYSCORE z -inf (5 WITHSCORES LIMIT 0 1",
	    "[\"b\", \"2\"]" },
	{ "ZRANGEBYSCORE z 3 9 LIMIT 1 2 WITHSCORES",
	    "[\"d\", \"5\", \"a\", \"6\"]" },
	{ "ZRANGE z 9 3 BYSCORE LIMIT 1 1 REV WITHSCORES",
	    "[\"d\", \"5\"]" },
	{ "ZRANGE z 9 3 LIMIT 0 1 REV BYSCORE", "[\"a\"]" },
	{ "ZRANGE z - + LIMIT 1 1 BYLEX", "[\"c\"]" },
	{ "ZRANGEBYSCORE z x 5", "-ERR min or max is not a float" },
	{ "ZRANGE z a b BYLEX",
	    "-ERR min or max not valid string range item" },
	{ "ZRANK z c", ":1" }, { "ZRANK z none", "nil" },
	{ "ZCARD z", ":4" }, { "ZINCRBY z 0.1 c", "\"3.1000000000000001\"" },
	{ "ZINCRBY z -inf c", "\"-inf\"" },
	{ "ZINCRBY z inf c", "-ERR resulting score is not a number (NaN)" },
	{ "ZPOPMIN z", "[\"c\", \"-inf\"]" },
	{ "ZPOPMAX z 2", "[\"a\", \"6\", \"d\", \"5\"]" },
	{ "ZREM z b x", ":1" }, { "EXISTS z", ":0" }, { "ZPOPMIN z", "[]" },
	{ "ZADD minus -0 a", ":1" }, { "ZSCORE minus a", "\"0\"" },
	{ "ZINCRBY minus -0 a", "\"0\"" },
	{ "ZADD minus INCR -0 b", "\"-0\"" },
	{ "ZRANGE minus -0 0 BYSCORE WITHSCORES",
	    "[\"a\", \"0\", \"b\", \"0\"]" },
	{ "ZADD lex 0 a 0 b 0 c 0 d", ":4" },
	{ "ZRANGE lex [b (d BYLEX", "[\"b\", \"c\"]" },
	{ "ZRANGE lex + [c BYLEX REV", "[\"d\", \"c\"]" },
	{ "HELLO 3 SETNAME x y",
	    "-ERR Syntax error in HELLO option 'y'" },
};

/* The same in RESP3, where the shape of a reply differs. */
static const struct row rows3[] = {
	{ "FLUSHALL", "+OK" }, { "GET none", "nil" }, { "LPOP none 1", "nil" },
	{ "HSET h f 1", ":1" }, { "HGETALL h", "{\"f\": \"1\"}" },
	{ "SADD s a", ":1" }, { "SMEMBERS s", "~[\"a\"]" },
	{ "SRANDMEMBER s 1", "[\"a\"]" }, { "SPOP s 1", "~[\"a\"]" },
	{ "ZADD z 1.5 a 2 b", ":2" }, { "ZSCORE z a", ",1.5" },
	{ "ZRANGE z 0 -1 WITHSCORES", "[[\"a\", ,1.5], [\"b\", ,2]]" },
	{ "ZADD z INCR 1 a", ",2.5" }, { "ZPOPMIN z", "[\"b\", ,2]" },
	{ "ZPOPMAX z 1", "[[\"a\", ,2.5]]" },
	{ "CONFIG GET appendonly", "{\"appendonly\": \"no\"}" },
	{ "MGET none", "[nil]" },
};

static void
hello(struct client *c)
{
	char *r;

	client_command(c, "HELLO 3 SETNAME three");
	r = client_reply(c, 0);
	ok(r != NULL && strstr(r, "\"proto\": :3") != NULL,
	    "HELLO 3 answers with a map");
	free(r);
	expect(c, "CLIENT GETNAME", "\"three\"");
}

/* SCAN to the end gives every key once. */
static void
scan_all(struct client *c)
{
	char line[64] = "SCAN 0 COUNT 7 TYPE string";
	int found = 0, rounds = 0;

	for (int i = 0; i < 100; i++) {
		char set[32];

		snprintf(set, sizeof(set), "SET scan:%d x", i);
		client_command(c, set);
		free(client_reply(c, 0));
	}
	expect(c, "LPUSH scan:list x", ":1");
	do {
		char *r = client_ask(c, line), *p = r;
		unsigned long cursor = strtoul(r + 2, NULL, 10);

		while ((p = strstr(p, "scan:")) != NULL) {
			found++;
			p++;
		}
		free(r);
		snprintf(line, sizeof(line), "SCAN %lu COUNT 7 TYPE string",
		    cursor);
		if (cursor == 0)
			break;
	} while (rounds++ < 1000);
	is_int(found, 100, "SCAN with TYPE finds the strings once each");
}

/*
 * The arguments of one command say nothing to the next one.  Here those of DEL
 * are gone, memory and all, when SET looks for its own.
 */
static void
reads_its_own_arguments(struct client *c)
{
	static char large[2 << 20];
	const char *argv[] = { "DEL", "a", "b", "c", "d", "e", large };
	char *got;

	memset(large, '1', sizeof(large) - 1);
	client_argv(c, 7, argv, NULL);
	got = client_reply(c, 0);
	is_str(got, ":0", "DEL of a key of 2 MB");
	free(got);
	expect(c, "SET own v EX 10 NX", "+OK");
	expect(c, "TTL own", ":10");
}

/*
 * Commands of Redis that are not there get one error each, so that a client
 * stays in step, whatever it meant by them.
 */
static void
stays_in_step(struct client *c)
{
	static const char *const unknown[] = {
		"MULTI", "EXEC", "DISCARD", "WATCH a", "AUTH x",
		"AUTH default x", "SUBSCRIBE a b c", "PSUBSCRIBE a*",
		"UNSUBSCRIBE", "PUBLISH a b", "BLPOP a b 0", "WAIT 0 0",
		"RESET", "MONITOR", "SYNC", "PSYNC ? -1", "EVAL 'return 1' 0",
		"XADD s * a b", "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "SAVE",
		"REPLICAOF NO ONE", "OBJECT ENCODING k", "CLIENT REPLY OFF",
		"CLIENT REPLY SKIP", "CLIENT PAUSE 1000", "CLIENT INFO",
		"CLIENT TRACKING ON", "CONFIG REWRITE", "COMMAND GETKEYS a",
	};
	const size_t n = sizeof(unknown) / sizeof(unknown[0]);
	size_t errors = 0;
	char want[32], *got;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++) {
			client_command(c, unknown[i]);
			snprintf(want, sizeof(want), "PING %zu", i);
			client_command(c, want);
		}
		for (size_t i = 0; i < n; i++) {
			got = client_reply(c, 0);
			errors += got != NULL && strncmp(got, "-ERR unknown",
			    12) == 0;
			free(got);
			got = client_reply(c, 0);
			snprintf(want, sizeof(want), "\"%zu\"", i);
			is_str(got, want, "behind %s", unknown[i]);
			free(got);
		}
		is_int((long long)errors, (long long)(n * (size_t)(round + 1)),
		    "each is one error");
		client_command(c, "HELLO 3");
		free(client_reply(c, 0));
	}
	client_command(c, "HELLO 2");
	free(client_reply(c, 0));
	expect(c, "SELECT 1", "-ERR DB index is out of range");
}

/* A name ends where its length says, not at a byte that is 0. */
static void
reads_names_to_their_end(struct client *c)
{
	static const struct {
		const char *name, *sub, *reply;
		size_t namelen, sublen;
	} names[] = {
		{ "CONFIG", "GET\0x", "-ERR unknown subcommand 'GET'. Try "
		    "CONFIG HELP.", 6, 5 },
		{ "CLIENT", "\0ID", "-ERR unknown subcommand ''. Try CLIENT "
		    "HELP.", 6, 3 },
		{ "PING\0", "x", "-ERR unknown command 'PING', with args "
		    "beginning with: 'x' ", 5, 1 },
	};
	char *got;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		client_argv(c, 3, (const char *const[]){ names[i].name,
		    names[i].sub, "*" }, (const size_t[]){ names[i].namelen,
		    names[i].sublen, i < 2 });
		got = client_reply(c, 0);
		ok(got != NULL && strncmp(got, names[i].reply,
		    strlen(names[i].reply)) == 0, "%s %s and a byte 0",
		    names[i].name, names[i].sub);
		free(got);
	}
}

static void
looks_at_the_server(struct client *c)
{
	static const char *const commands[] = {
		"INFO", "INFO stats", "CLIENT LIST", "COMMAND",
		"COMMAND DOCS get", "COMMAND INFO get nosuch",
	};
	static const char *const within[] = {
		"# Keyspace", "total_commands_processed:", "cmd=client",
		"\"get\", :2, ", "\"summary\"", "nil",
	};

	for (size_t i = 0; i < sizeof(within) / sizeof(within[0]); i++) {
		char *r = client_ask(c, commands[i]);

		ok(r != NULL && strstr(r, within[i]) != NULL, "%s has %s",
		    commands[i], within[i]);
		free(r);
	}
	ok(client_number(c, "COMMAND COUNT") > 80, "COMMAND COUNT");
	ok(client_number(c, "CLIENT ID") > 0, "CLIENT ID");
}

int
main(void)
{
	const char *port = getenv("KV_TEST_PORT");
	struct server s = { .pid = -1 };
	struct client c;

	watchdog(120);
	if (port == NULL)
		s = server_start((const char *const[]){ "--cpus", "2",
		    NULL });
	else
		s.port = atoi(port);
	c = client_open(s.port);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(&c, rows[i].command, rows[i].reply);
	reads_its_own_arguments(&c);
	reads_names_to_their_end(&c);
	if (s.pid > 0)
		stays_in_step(&c);
	looks_at_the_server(&c);
	hello(&c);
	for (size_t i = 0; i < sizeof(rows3) / sizeof(rows3[0]); i++)
		expect(&c, rows3[i].command, rows3[i].reply);
	scan_all(&c);
	expect(&c, "QUIT", "+OK");
	ok(client_line(&c) == NULL, "QUIT ends the connection");
	client_close(&c);
	if (s.pid > 0)
		is_int(server_stop(&s, SIGTERM), 0, "SIGTERM ends it well");
	return tap_done();
}
