/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of requests: RESP arrays of bulk strings, and inline commands.
 *
 * THEORY: the parser is a state machine that keeps its place (r_multi, r_bulk).
 * So it reads an argument once, however the stream is divided.  It reads only
 * an incomplete line, which is short, again.  Arguments stay where they were
 * received: r_args points into chunks of up to CHUNK_MAX bytes, and full chunks
 * are kept until their command has run.  An argument of KV_BIG bytes or more
 * gets its own blob, and the rest of it and its line end are received directly
 * into the blob.  So a value of 100 MB is neither moved nor copied.  The blob
 * grows with the bytes that arrive, not to the length that was announced.  So
 * no step of reading a request takes longer than a chunk or a line does,
 * however long the request is.  Its memory is freed in steps, too
 * (kv_resp_done).
 *
 * Limits are those of Redis: a line of 64 KB, 2^31 - 1 arguments, 512 MB a
 * string.
 *
 * INVARIANTS
 * PRS1 r_first <= r_nargs; arguments from r_first on are those of the current
 *        command, which is unfinished exactly when r_multi > 0.
 * PRS2 If r_blob != NULL, r_pos == r_len: all that arrives is the blob's.
 * PRS3 A chunk is freed only when no argument from r_first on is left.
 */
#include "proto/proto.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_MIN		(16u << 10)
#define LINE_MAX_LEN	(64u << 10)
#define ARGS_MAX	INT32_MAX
#define ARGS_KEEP	1024u		/* room for arguments kept when idle */
#define BLOB_STEP	(1u << 20)	/* first memory of a large argument */
#define RECV_MAX	(256u << 10)	/* bytes received at a time */
#define CHUNK_MAX	(1u << 20)	/* so malloc maps and unmaps each */
#define DROP_MAX	16		/* pieces of memory freed at a time */
#define END_LEN		2		/* \r\n; can be any, as in Redis */

struct kv_chunk {
	struct kv_chunk	*k_next;	/* in r_aside */
	char		 k_data[];
};

/* Return the chunk that contains r_buf, or NULL. */
static struct kv_chunk *
chunk_of(struct kv_resp *r)
{
	return r->r_buf == NULL ? NULL : (struct kv_chunk *)(r->r_buf -
	    offsetof(struct kv_chunk, k_data));
}

/* Begin a stream. */
void
kv_resp_init(struct kv_resp *r)
{
	memset(r, 0, sizeof(*r));
	r->r_bulk = -1;
}

/* Free all memory at once. */
void
kv_resp_free(struct kv_resp *r)
{
	kv_resp_stop(r);
	while (!kv_resp_done(r))
		continue;
	kv_free(r->r_args);
	kv_free(chunk_of(r));
	kv_resp_init(r);
}

/*
 * Continue in a new chunk, because the last one is full.  The new one begins
 * with the bytes that are not parsed yet.  The old chunk is kept if arguments
 * point into it (PRS3), so no argument ever moves, however long a command gets.
 */
static void
make_room(struct kv_resp *r)
{
	struct kv_chunk *old = chunk_of(r), *new;
	size_t rest = r->r_len - r->r_pos;
	size_t cap = r->r_cap < BUF_MIN ? BUF_MIN : r->r_cap;

	if (cap < CHUNK_MAX && (r->r_nargs > r->r_first || rest > cap / 2))
		cap *= 2;
	while (cap - rest < BUF_MIN / 2)
		cap *= 2;
	new = kv_alloc(sizeof(*new) + cap);
	if (rest > 0)
		memcpy(new->k_data, r->r_buf + r->r_pos, rest);
	if (old != NULL && r->r_nargs > r->r_first) {
		old->k_next = r->r_aside;
		r->r_aside = old;
		r->r_asidelen += r->r_cap;
	} else {
		kv_free(old);
	}
	r->r_buf = new->k_data;
	r->r_cap = cap;
	r->r_len = rest;
	r->r_pos = 0;
}

/*
 * Return where to receive the next bytes, and how many.  All commands returned
 * before must have run (kv_resp_done).
 */
char *
kv_resp_room(struct kv_resp *r, size_t *lenp)
{
	struct kv_blob *b = r->r_blob;
	size_t room;

	if (b != NULL) {
		size_t want = (size_t)r->r_bulk + END_LEN, cap = b->b_cap;

		if (b->b_len == cap)
			b = r->r_blob = kv_blob_room(b,
			    cap * 2 < want ? cap * 2 : want);
		room = b->b_cap - b->b_len;
		*lenp = room < RECV_MAX ? room : RECV_MAX;
		return b->b_data + b->b_len;		/* PRS2 */
	}
	if (r->r_cap - r->r_len < BUF_MIN / 2)
		make_room(r);
	room = r->r_cap - r->r_len;
	*lenp = room < RECV_MAX ? room : RECV_MAX;
	return r->r_buf + r->r_len;
}

/* Note that n bytes were received where kv_resp_room() said. */
void
kv_resp_filled(struct kv_resp *r, size_t n)
{
	if (r->r_blob != NULL)
		r->r_blob->b_len += (uint32_t)n;
	else
		r->r_len += n;
}

/* Drop all bytes that are not parsed, and the unfinished command. */
void
kv_resp_stop(struct kv_resp *r)
{
	kv_blob_unref(r->r_blob);
	r->r_blob = NULL;
	r->r_multi = 0;
	r->r_bulk = -1;
	r->r_pos = r->r_len;
}

/* Free some memory of the commands that have run.  False if more is left. */
static bool
drop_some(struct kv_resp *r)
{
	struct kv_chunk *k;
	int n = 0;

	for (; r->r_held > 0 && r->r_dropped < r->r_first; r->r_dropped++) {
		struct kv_arg *a = &r->r_args[r->r_dropped];

		if (a->a_blob == NULL)
			continue;
		if (n++ == DROP_MAX)
			return false;
		r->r_held -= a->a_len;
		kv_blob_unref(a->a_blob);
	}
	if (r->r_first < r->r_nargs)
		return true;					/* PRS3 */
	for (; (k = r->r_aside) != NULL; n++) {
		if (n == DROP_MAX)
			return false;
		r->r_aside = k->k_next;
		kv_free(k);
	}
	r->r_asidelen = 0;
	return true;
}

/* Free large buffers of an idle parser. */
static void
shrink(struct kv_resp *r)
{
	r->r_pos = r->r_len = 0;
	if (r->r_cap > BUF_MIN) {
		kv_free(chunk_of(r));
		r->r_buf = NULL;
		r->r_cap = 0;
	}
	if (r->r_capargs > ARGS_KEEP) {
		kv_free(r->r_args);
		r->r_args = NULL;
		r->r_capargs = 0;
	}
}

/*
 * Free the arguments of all commands returned so far, which have run; those of
 * an unfinished command stay.  Returns false if some are left: call it again.
 */
bool
kv_resp_done(struct kv_resp *r)
{
	size_t n;

	if (r->r_multi == 0)					/* PRS1 */
		r->r_first = r->r_nargs;
	if (!drop_some(r))
		return false;
	n = r->r_nargs - r->r_first;
	if (n > 0 && r->r_first > 0)
		memmove(r->r_args, r->r_args + r->r_first,
		    n * sizeof(r->r_args[0]));
	r->r_first = r->r_dropped = 0;
	r->r_nargs = n;
	if (n == 0 && r->r_multi == 0 && r->r_pos == r->r_len)
		shrink(r);
	return true;
}

/* Store the text that says what is wrong with the stream. */
static enum kv_resp_what
bad(struct kv_resp *r, const char *text)
{
	snprintf(r->r_error, sizeof(r->r_error), "Protocol error: %s", text);
	return KV_RESP_BAD;
}

/* Append an argument of the current command. */
static void
push_arg(struct kv_resp *r, char *p, size_t len, struct kv_blob *b)
{
	if (r->r_nargs == r->r_capargs) {
		r->r_capargs = r->r_capargs == 0 ? 64 : r->r_capargs * 2;
		r->r_args = kv_realloc(r->r_args,
		    r->r_capargs * sizeof(r->r_args[0]));
	}
	r->r_args[r->r_nargs++] = (struct kv_arg){ p, len, b };
}

/*
 * Find the line at r_pos, which ends with the byte end; return its length
 * without that byte, or -1 if it is not complete.
 */
static ssize_t
find_line(const struct kv_resp *r, char end)
{
	const char *from = r->r_buf + r->r_pos;
	const char *p = memchr(from, end, r->r_len - r->r_pos);

	return p != NULL ? p - from : -1;
}

/* Read a line of the form Xnumber\r\n; without a number, *valp is INT64_MIN. */
static enum kv_resp_what
number_line(struct kv_resp *r, int64_t *valp, const char *too_big)
{
	ssize_t n = find_line(r, '\r');

	if (n < 0 || r->r_pos + (size_t)n + END_LEN > r->r_len)
		return r->r_len - r->r_pos > LINE_MAX_LEN ?
		    bad(r, too_big) : KV_RESP_MORE;
	if (!kv_arg_i64(&(struct kv_arg){ .a_p = r->r_buf + r->r_pos + 1,
	    .a_len = (size_t)n - 1 }, valp))
		*valp = INT64_MIN;
	r->r_pos += (size_t)n + END_LEN;
	return KV_RESP_CMD;
}

/* Read one character of a double-quoted word, and move *pp past it. */
static char
unescape(const char **pp, const char *end)
{
	static const char names[] = "nrtba", codes[] = "\n\r\t\b\a";
	const char *p = *pp, *name;
	char c = *p++;

	if (c == '\\' && end - p >= 3 && *p == 'x' &&
	    isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
		c = (char)strtol((char[]){ p[1], p[2], '\0' }, NULL, 16);
		p += 3;
	} else if (c == '\\' && p < end) {
		c = *p++;
		name = c != '\0' ? strchr(names, c) : NULL;
		if (name != NULL)
			c = codes[name - names];
	}
	*pp = p;
	return c;
}

/*
 * Read one word of an inline command and unquote it in place (it gets no
 * longer).  Returns false if a quote is not closed, or no space follows it.
 */
static bool
inline_word(struct kv_resp *r, const char **pp, const char *end)
{
	const char *p = *pp;
	char *out = r->r_buf + (p - r->r_buf), *start = out;
	char quote = '\0';

	while (p < end && (quote != '\0' || !isspace((unsigned char)*p))) {
		if (quote == '\0' && (*p == '"' || *p == '\'')) {
			quote = *p++;
		} else if (quote != '\0' && *p == quote) {
			p++;
			if (p < end && !isspace((unsigned char)*p))
				return false;
			quote = '\0';
		} else if (quote == '"') {
			*out++ = unescape(&p, end);
		} else {
			if (quote == '\'' && *p == '\\' && end - p >= 2 &&
			    p[1] == '\'')
				p++;
			*out++ = *p++;
		}
	}
	push_arg(r, start, (size_t)(out - start), NULL);
	*pp = p;
	return quote == '\0';
}

/* Read an inline command. */
static enum kv_resp_what
next_inline(struct kv_resp *r)
{
	ssize_t n = find_line(r, '\n');
	const char *p, *end;

	if (n < 0)
		return r->r_len - r->r_pos > LINE_MAX_LEN ?
		    bad(r, "too big inline request") : KV_RESP_MORE;
	p = r->r_buf + r->r_pos;
	end = p + n;
	r->r_pos += (size_t)n + 1;
	if (n > 0 && end[-1] == '\r')
		end--;
	for (;;) {
		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p == end)
			break;
		if (!inline_word(r, &p, end))
			return bad(r, "unbalanced quotes in request");
	}
	return KV_RESP_CMD;
}

/* Read the header of one argument, $len. */
static enum kv_resp_what
bulk_header(struct kv_resp *r)
{
	enum kv_resp_what what;
	char c, text[32];

	if (r->r_pos == r->r_len)
		return KV_RESP_MORE;
	c = r->r_buf[r->r_pos];
	what = number_line(r, &r->r_bulk, "too big bulk count string");
	if (what != KV_RESP_CMD)
		return what;
	if (c != '$') {
		snprintf(text, sizeof(text), "expected '$', got '%c'", c);
		return bad(r, text);
	}
	if (r->r_bulk < 0 || r->r_bulk > KV_MAXBULK)
		return bad(r, "invalid bulk length");
	return KV_RESP_CMD;
}

/* Give a large argument a blob, and move there what has arrived of it. */
static void
begin_blob(struct kv_resp *r)
{
	size_t have = r->r_len - r->r_pos, want = (size_t)r->r_bulk + END_LEN;
	size_t cap;

	if (have > want)
		have = want;
	cap = have > BLOB_STEP ? have : BLOB_STEP;
	r->r_blob = kv_blob_new(r->r_buf + r->r_pos, have,
	    cap < want ? cap : want);
	r->r_pos += have;					/* PRS2 */
}

/* Read the bytes of one argument and its line end: in r_buf, or its blob. */
static enum kv_resp_what
bulk_body(struct kv_resp *r)
{
	size_t len = (size_t)r->r_bulk;
	struct kv_blob *b;

	if (r->r_blob == NULL && len >= KV_BIG)
		begin_blob(r);
	b = r->r_blob;
	if (b != NULL) {
		if (b->b_len < len + END_LEN)
			return KV_RESP_MORE;
		b->b_len = (uint32_t)len;
		push_arg(r, b->b_data, len, b);
		r->r_held += len;
		r->r_blob = NULL;
	} else {
		if (r->r_len - r->r_pos < len + END_LEN)
			return KV_RESP_MORE;
		push_arg(r, r->r_buf + r->r_pos, len, NULL);
		r->r_pos += len + END_LEN;
	}
	r->r_bulk = -1;
	r->r_multi--;
	return KV_RESP_CMD;
}

/*
 * Read the next command: arguments r_first to r_nargs - 1.  If there are none,
 * the line was empty and is to be ignored.  KV_RESP_MORE: a part has not
 * arrived yet.  After KV_RESP_BAD the stream cannot go on, and r_error says
 * why.
 */
enum kv_resp_what
kv_resp_next(struct kv_resp *r)
{
	enum kv_resp_what what = KV_RESP_CMD;

	if (r->r_multi == 0) {
		r->r_first = r->r_nargs;			/* PRS1 */
		if (r->r_pos == r->r_len)
			return KV_RESP_MORE;
		if (r->r_buf[r->r_pos] != '*')
			return next_inline(r);
		what = number_line(r, &r->r_multi,
		    "too big mbulk count string");
		if (what != KV_RESP_CMD)
			return what;
		if (r->r_multi == INT64_MIN || r->r_multi > ARGS_MAX)
			return bad(r, "invalid multibulk length");
		if (r->r_multi < 0)
			r->r_multi = 0;
	}
	while (r->r_multi > 0 && what == KV_RESP_CMD) {
		what = r->r_bulk < 0 ? bulk_header(r) : KV_RESP_CMD;
		if (what == KV_RESP_CMD)
			what = bulk_body(r);
	}
	return what;
}
