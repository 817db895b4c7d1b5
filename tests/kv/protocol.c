/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes over a socket: requests in pieces, pipelines, large values, and
 * everything that is wrong.  The server answers, or closes, and lives on.
 */
#include "client.h"

static int port;

/* Send bytes on a new connection; what comes back first is this. */
static void
says(const char *bytes, const char *want)
{
	struct client c = client_open(port);
	char *got;

	client_str(&c, bytes);
	got = client_reply(&c, 0);
	is_str(got, want, "%.40s", bytes);
	free(got);
	client_close(&c);
}

/* The same, and then the server closes. */
static void
ends_with(const char *bytes, const char *want)
{
	struct client c = client_open(port);
	char *got;

	client_str(&c, bytes);
	got = client_reply(&c, 0);
	is_str(got, want, "%.40s", bytes);
	free(got);
	ok(client_line(&c) == NULL, "and the connection is closed");
	client_close(&c);
}

static void
reads_inline_commands(void)
{
	says("PING\r\n", "+PONG");
	says("\r\n\r\nPING\n", "+PONG");
	says("*0\r\n*-1\r\nPING\r\n", "+PONG");
	says("echo \"a b\\x21\"\r\n", "\"a b!\"");
	says("pInG\r\n", "+PONG");
}

static void
rejects_nonsense(void)
{
	static char line[70000];

	ends_with("*x\r\n", "-ERR Protocol error: invalid multibulk length");
	ends_with("*99999999999\r\n",
	    "-ERR Protocol error: invalid multibulk length");
	ends_with("*2147483648\r\n",
	    "-ERR Protocol error: invalid multibulk length");
	ends_with("*2147483647\r\n$x\r\n",
	    "-ERR Protocol error: invalid bulk length");
	ends_with("*1\r\n$-5\r\n",
	    "-ERR Protocol error: invalid bulk length");
	ends_with("*1\r\n$600000000\r\n",
	    "-ERR Protocol error: invalid bulk length");
	ends_with("*1\r\n:5\r\n",
	    "-ERR Protocol error: expected '$', got ':'");
	ends_with("set \"x\r\n",
	    "-ERR Protocol error: unbalanced quotes in request");
	memset(line, 'x', sizeof(line) - 1);
	ends_with(line, "-ERR Protocol error: too big inline request");
	line[0] = '*';
	memset(line + 1, '1', sizeof(line) - 2);
	ends_with(line, "-ERR Protocol error: too big mbulk count string");
}

/*
 * A browser that a web page makes send a form to the server's port: the
 * request ends there, and none of its lines is a command.
 */
static void
refuses_http(void)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 11\r\n"
		    "\r\nSET http 1\r\n",
		"post /x HTTP/1.0\r\n\r\nSET http 1\r\n",
		"Host: 127.0.0.1\r\nSET http 1\r\n",
		"*1\r\n$4\r\nPOST\r\n*3\r\n$3\r\nSET\r\n$4\r\nhttp\r\n$1\r\n1"
		    "\r\n",
		"*2\r\n$5\r\nhOST:\r\n$1\r\nx\r\nSET http 1\r\n",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct client c = client_open(port);

		client_str(&c, requests[i]);
		ok(client_line(&c) == NULL, "closed at %.12s", requests[i]);
		client_close(&c);
	}
	ends_with("GET / HTTP/1.1\r\nHost: x\r\nSET http 1\r\n",
	    "-ERR wrong number of arguments for 'get' command");
	ends_with("OPTIONS / HTTP/1.1\r\nHost: x\r\nSET http 1\r\n",
	    "-ERR unknown command 'OPTIONS', with args beginning with: '/' "
	    "'HTTP/1.1' ");
	says("EXISTS http\r\n", ":0");
	says("SET post x\r\n", "+OK");
	says("GET post\r\n", "\"x\"");
}

static void
answers_before_it_closes(void)
{
	struct client c = client_open(port);
	char *got;

	client_str(&c, "PING\r\nSET a 1\r\nGET a\r\n*1\r\n$x\r\n");
	got = client_reply(&c, 0);
	is_str(got, "+PONG", "what was right before an error is answered");
	free(got);
	free(client_reply(&c, 0));
	got = client_reply(&c, 0);
	is_str(got, "\"1\"", "in order");
	free(got);
	got = client_reply(&c, 0);
	is_str(got, "-ERR Protocol error: invalid bulk length",
	    "then the error");
	free(got);
	client_close(&c);
}

static void
waits_for_halves(void)
{
	static const char request[] =
	    "*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$5\r\nvalue\r\n";
	struct client c = client_open(port);
	char *got;

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		client_send(&c, request + i, 1);
		if (i % 8 == 0)
			usleep(500);
	}
	got = client_reply(&c, 0);
	is_str(got, "+OK", "a request byte by byte");
	free(got);
	client_str(&c, "*2\r\n$3\r\nGET\r\n$4\r\nha");
	client_close(&c);
	says("GET half\r\n", "\"value\"");
}

static void
keeps_pipelines_in_order(void)
{
	const int n = 20000;
	struct client c = client_open(port);
	struct text t = { 0 };
	int wrong = 0;
	char line[64];

	for (int i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "set p:%d %d\r\nget p:%d\r\n",
		    i % 1000, i, i % 1000);
		text_str(&t, line);
	}
	if (fork() == 0) {
		client_send(&c, t.p, t.len);
		_exit(0);
	}
	for (int i = 0; i < n; i++) {
		char *got = client_reply(&c, 0);

		wrong += got == NULL || strcmp(got, "+OK") != 0;
		free(got);
		got = client_reply(&c, 0);
		snprintf(line, sizeof(line), "\"%d\"", i);
		wrong += got == NULL || strcmp(got, line) != 0;
		free(got);
	}
	is_int(wrong, 0, "%d pipelined commands: answers in order", 2 * n);
	wait(NULL);
	free(t.p);
	client_close(&c);
}

/* A pipeline of random lengths on random keys against one that waits. */
static void
mixes_shards(uint64_t *seed)
{
	struct client c = client_open(port), d = client_open(port);
	int wrong = 0;

	for (int round = 0; round < 200; round++) {
		int n = 1 + (int)(test_random(seed) % 60);
		char lines[60][48];

		for (int i = 0; i < n; i++) {
			unsigned int k = (unsigned int)(test_random(seed) % 9);

			switch (test_random(seed) % 4) {
			case 0:
				snprintf(lines[i], sizeof(lines[i]),
				    "INCRBY X:%u %d", k, i);
				break;
			case 1:
				snprintf(lines[i], sizeof(lines[i]),
				    "GET X:%u", k);
				break;
			case 2:
				snprintf(lines[i], sizeof(lines[i]),
				    "MGET X:%u X:1 X:2", k);
				break;
			default:
				snprintf(lines[i], sizeof(lines[i]),
				    "DEL X:%u", k);
				break;
			}
			client_command(&c, lines[i]);
		}
		for (int i = 0; i < n; i++) {
			char *a, *b, *x = lines[i];

			a = client_reply(&c, 0);
			while ((x = strchr(x, 'X')) != NULL)
				*x = 'Y';
			x = lines[i];
			b = client_ask(&d, lines[i]);
			wrong += a == NULL || b == NULL || strcmp(a, b) != 0;
			free(a);
			free(b);
		}
	}
	is_int(wrong, 0, "a pipeline does what one by one does");
	client_close(&c);
	client_close(&d);
}

static void
carries_large_values(void)
{
	const size_t size = 100 << 20;
	struct client c = client_open(port), d = client_open(port);
	char *big = malloc(size), *got, head[64];
	size_t n;

	for (size_t i = 0; i < size; i++)
		big[i] = (char)(i * 2654435761u >> 24);
	n = (size_t)snprintf(head, sizeof(head),
	    "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", size);
	client_send(&c, head, n);
	client_send(&c, big, size / 2);
	expect(&d, "PING", "+PONG");
	expect(&d, "EXISTS big", ":0");
	client_send(&c, big + size / 2, size - size / 2);
	client_send(&c, "\r\n", 2);
	got = client_reply(&c, 0);
	is_str(got, "+OK", "SET of 100 MB");
	free(got);
	is_int(client_number(&c, "STRLEN big"), (long long)size, "STRLEN");
	client_command(&c, "GET big");
	(void)client_fill(&c);	/* it is carried out: the reply begins */
	/* The value is on its way while the key gets another, and goes. */
	expect(&d, "APPEND big x", ":104857601");
	expect(&d, "DEL big", ":1");
	expect(&d, "EXISTS big", ":0");
	got = client_reply(&c, 0);
	ok(got != NULL && memcmp(got + 1, big, size) == 0,
	    "GET gives the bytes that were there");
	free(got);
	free(big);
	client_close(&c);
	client_close(&d);
}

int
main(void)
{
	uint64_t seed = test_seed();
	struct server s = server_start(
	    (const char *const[]){ "--cpus", "3", NULL });

	watchdog(150);
	port = s.port;
	reads_inline_commands();
	rejects_nonsense();
	refuses_http();
	answers_before_it_closes();
	waits_for_halves();
	keeps_pipelines_in_order();
	mixes_shards(&seed);
	carries_large_values();
	says("PING\r\n", "+PONG");
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
	return tap_done();
}
