/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary client library, Debian's hiredis, works.
 */
#include "client.h"

#include <hiredis/hiredis.h>

static void
is_reply(redisReply *r, int type, const char *str, const char *what)
{
	ok(r != NULL && r->type == type &&
	    (str == NULL || (r->str != NULL && strcmp(r->str, str) == 0)),
	    "%s", what);
	if (r != NULL)
		freeReplyObject(r);
}

static void
commands(redisContext *c)
{
	static const char binary[] = "a\0b\r\nc";
	redisReply *r;

	is_reply(redisCommand(c, "SET %s %b", "bin", binary,
	    sizeof(binary)), REDIS_REPLY_STATUS, "OK", "SET of binary data");
	r = redisCommand(c, "GET bin");
	ok(r != NULL && r->len == sizeof(binary) &&
	    memcmp(r->str, binary, sizeof(binary)) == 0, "GET gives it back");
	freeReplyObject(r);
	is_reply(redisCommand(c, "GET nosuch"), REDIS_REPLY_NIL, NULL, "nil");
	is_reply(redisCommand(c, "LPUSH bin x"), REDIS_REPLY_ERROR, NULL,
	    "an error is an error");
	r = redisCommand(c, "MGET bin nosuch bin");
	ok(r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
	    r->element[1]->type == REDIS_REPLY_NIL, "MGET is an array");
	freeReplyObject(r);
}

static void
pipeline(redisContext *c)
{
	const int n = 10000;
	int right = 0;

	for (int i = 0; i < n; i++)
		redisAppendCommand(c, "INCR counter:%d", i % 10);
	for (int i = 0; i < n; i++) {
		redisReply *r = NULL;

		if (redisGetReply(c, (void **)&r) != REDIS_OK)
			break;
		right += r->type == REDIS_REPLY_INTEGER &&
		    r->integer == i / 10 + 1;
		freeReplyObject(r);
	}
	is_int(right, n, "a pipeline of %d INCR", n);
}

int
main(void)
{
	struct server s = server_start((const char *const[]){ "--cpus", "2",
	    NULL });
	redisContext *c;

	watchdog(60);
	c = redisConnect("127.0.0.1", s.port);
	if (!ok(c != NULL && c->err == 0, "connects"))
		return tap_done();
	commands(c);
	pipeline(c);
	is_int(redisReconnect(c), REDIS_OK, "reconnects");
	is_reply(redisCommand(c, "PING"), REDIS_REPLY_STATUS, "PONG", "PING");
	redisFree(c);
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
	return tap_done();
}
