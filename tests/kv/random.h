/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands at random, right and wrong ones, on few keys of every type.
 */
#ifndef KV_TESTS_RANDOM_H
#define KV_TESTS_RANDOM_H

#include "client.h"

/*
 * k key, f field or member, v value, i index, s score, t seconds from now,
 * T seconds since 1970.  A form that begins with ~ has a reply without order,
 * with % one that is a map.
 */
static const char *const forms[] = {
	"SET k v", "SET k v NX", "SET k v XX", "SET k v GET", "SET k v EX t",
	"SET k v PX t", "SET k v KEEPTTL", "SET k v NX GET", "SET k v EX 0",
	"SET k v XX NX", "SET k v EXAT T", "SET k v PXAT 4102444800000",
	"SET k v FOO",
	"SET k v EX", "SET k v EX t PX t", "SET k v GET XX", "GET k", "GET k",
	"GETSET k v", "GETDEL k", "GETEX k", "GETEX k EX t", "GETEX k PERSIST",
	"GETEX k EX -1", "GETEX k PERSIST EX t", "GETEX k FOO", "SETNX k v",
	"SETEX k t v", "SETEX k 0 v", "PSETEX k t v", "MGET k k k",
	"MSET k v k v", "MSET k v k", "INCR k", "DECR k", "INCRBY k i",
	"DECRBY k i", "INCRBY k v", "DECRBY k -9223372036854775808",
	"INCRBY k 9223372036854775807", "INCRBYFLOAT k s", "INCRBYFLOAT k v",
	"APPEND k v", "STRLEN k", "GETRANGE k i i", "SETRANGE k i v",
	"SETRANGE k i ''", "SETRANGE k 536870912 v", "GETRANGE k v i",
	"LPUSH k v", "LPUSH k v v v", "RPUSH k v v", "LPOP k", "RPOP k",
	"LPOP k i", "RPOP k i", "LPOP k i i", "LLEN k", "LRANGE k i i",
	"LRANGE k 0 -1", "LINDEX k i", "LINDEX k v", "LSET k i v",
	"LSET k v v", "LREM k i v", "LTRIM k i i", "LTRIM k 0 v", "HSET k f v",
	"HSET k f v f v", "HSET k f v f", "HGET k f", "HMGET k f f",
	"HDEL k f", "HDEL k f f", "%HGETALL k", "~HKEYS k", "~HVALS k",
	"HLEN k", "HEXISTS k f", "HINCRBY k f i",
	"HINCRBY k f 9223372036854775807", "HINCRBY k f v", "SADD k f",
	"SADD k f f f", "SREM k f", "SREM k f f", "SISMEMBER k f",
	"~SMEMBERS k", "SCARD k", "~SPOP k 100", "SPOP k -1",
	"~SRANDMEMBER k 100", "SPOP k 0", "SPOP k 1 2", "ZADD k s f",
	"ZADD k s f s f s f", "ZADD k NX s f", "ZADD k XX s f",
	"ZADD k GT s f", "ZADD k LT CH s f", "ZADD k INCR s f",
	"ZADD k XX INCR s f", "ZADD k s", "ZADD k NX XX s f",
	"ZADD k GT LT s f", "ZADD k x f", "ZADD k NX INCR s f",
	"ZADD k GT INCR s f", "ZADD k INCR s f s f", "ZADD k CH s f s f",
	"ZREM k f", "ZREM k f f", "ZSCORE k f", "ZINCRBY k s f",
	"ZINCRBY k x f", "ZCARD k", "ZRANK k f", "ZRANGE k i i",
	"ZRANGE k i i WITHSCORES", "ZRANGE k 0 -1 WITHSCORES",
	"ZRANGE k i i REV", "ZRANGE k s s BYSCORE", "ZRANGE k s s BYSCORE REV",
	"ZRANGE k (s s BYSCORE WITHSCORES LIMIT i i",
	"ZRANGE k -inf +inf BYSCORE LIMIT i i",
	"ZRANGE k - + BYLEX LIMIT i i", "ZRANGE k + - BYLEX REV",
	"ZRANGE k f f BYLEX", "ZRANGE k i i LIMIT i i", "ZRANGE k i i FOO",
	"ZRANGE k - + BYLEX WITHSCORES", "ZRANGE k v v BYSCORE",
	"ZRANGE k s s BYSCORE BYLEX", "ZRANGE k i i REV WITHSCORES",
	"ZRANGEBYSCORE k s s", "ZRANGEBYSCORE k s (s WITHSCORES",
	"ZRANGEBYSCORE k -inf inf LIMIT i i", "ZRANGEBYSCORE k s s REV",
	"ZRANGEBYSCORE k v s", "ZRANGEBYSCORE k s s LIMIT i", "ZPOPMIN k",
	"ZPOPMAX k", "ZPOPMIN k i", "ZPOPMAX k i", "ZPOPMIN k i i", "TYPE k",
	"EXISTS k k k", "DEL k", "DEL k k", "UNLINK k", "RENAME k k",
	"PERSIST k", "EXPIRE k t", "EXPIRE k -1", "EXPIRE k t NX",
	"EXPIRE k t XX", "EXPIREAT k T GT", "EXPIREAT k T LT",
	"EXPIRE k t NX XX",
	"EXPIRE k t GT LT", "EXPIRE k t FOO", "EXPIRE k v",
	"EXPIRE k 9223372036854775807", "PEXPIRE k 9223372036854775807",
	"PEXPIRE k t", "EXPIREAT k t",
	"PEXPIREAT k -1", "DBSIZE", "~KEYS *", "~KEYS k[1-3]*", "~KEYS ?ey:1",
	"PING", "PING v", "ECHO v", "SELECT 0", "SELECT 99", "SELECT x",
	"PING v v", "GET", "GET k k", "SET k", "FOO k v", "FLUSHALL x",
	"CLIENT SETNAME v", "CLIENT GETNAME", "CLIENT FOO", "CLIENT SETNAME",
	"CLIENT KILL ID x", "CONFIG FOO", "CLIENT KILL ADDR",
	"CLIENT KILL 1.1.1.1:1", "CONFIG GET maxmemory-policy",
	"CONFIG SET nosuch v", "CONFIG SET maxmemory x",
	"CONFIG SET maxmemory", "HELLO 9", "HELLO v", "SCAN 0 COUNT 0",
	"SCAN 0 COUNT", "COMMAND FOO", "COMMAND COUNT x", "SCAN x",
	"SCAN 0 COUNT x", "SCAN 0 FOO 1", "SRANDMEMBER k x", "SRANDMEMBER k 0",
};

#define NFORMS	(sizeof(forms) / sizeof(forms[0]))

static const char *const values[] = {
	"a", "hello", "7", "-3", "3.5", "1e3", "12345678901234567890",
	"9223372036854775806", "''", "nan", "inf", "0x10", "'with space'",
	" 1", "007", "-0", "abcdefghij", "A", "0", "1e400", "%s%n",
};
static const char *const scores[] = {
	"0", "1", "2", "3", "-1", "1.5", "0.1", "inf", "-inf", "1e300",
	"3.0e0", "1e-5", "100000000000000000000",
};
static const char *const fields[] = {
	"f1", "f2", "f3", "a", "b", "c", "aa", "7", "''",
};
static const char *const ends[] = {
	"10000", "1000000", "500000",
};
static const char *const dates[] = {
	"4102444800", "4102444801", "4102444900",
};

#define PICK(list)	(list)[test_random(seed) % \
			    (sizeof(list) / sizeof((list)[0]))]

static void
add_word(struct text *t, uint64_t *seed, char kind)
{
	char num[32];

	switch (kind) {
	case 'k':
		snprintf(num, sizeof(num), "key:%d",
		    (int)(test_random(seed) % 8));
		text_str(t, num);
		break;
	case 'i':
		snprintf(num, sizeof(num), "%d",
		    (int)(test_random(seed) % 12) - 4);
		text_str(t, num);
		break;
	case 'f': text_str(t, PICK(fields)); break;
	case 'v': text_str(t, PICK(values)); break;
	case 's': text_str(t, PICK(scores)); break;
	case 't': text_str(t, PICK(ends)); break;
	case 'T': text_str(t, PICK(dates)); break;
	}
}

/* Fill a form: a small letter that stands alone, or behind ( or [. */
static char *
fill(const char *form, uint64_t *seed)
{
	struct text t = { 0 };

	for (const char *p = form; *p != '\0'; p++) {
		bool starts = p == form || p[-1] == ' ' || p[-1] == '(' ||
		    p[-1] == '[';

		if (starts && (p[1] == ' ' || p[1] == '\0') &&
		    strchr("kfvistT", *p) != NULL)
			add_word(&t, seed, *p);
		else
			text_add(&t, p, 1);
	}
	return t.p;
}

#endif
