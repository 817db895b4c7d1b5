/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of requests: RESP arrays of bulk strings, and inline commands.
 *
 * THEORY: the parser is a machine that keeps its place (r_multi, r_step,
 * r_bulk, r_seen), so a byte is looked at once however the stream is cut.
 * Arguments stay where they were received: r_args points into r_buf, which
 * moves only in kv_resp_room, when the only arguments alive are those of one
 * unfinished command.  An argument of KV_BIG bytes or more gets a blob of its
 * own, into which the rest is received directly, so that a value of 100 MB is
 * neither moved nor copied; its memory grows with what really comes, not with
 * what was announced.
 *
 * Limits are those of Redis: a line of 64 KB, 2^20 arguments, 512 MB a string.
 *
 * INVARIANTS
 * I1 r_first <= r_nargs; arguments from r_first on are the current command's.
 * I2 r_pos <= r_seen <= r_len or r_seen is before r_pos and means r_pos.
 * I3 r_blob != NULL: r_pos == r_len, all that comes is the blob's.
 */
#include "resp.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define BUF_MIN		(16u << 10)
#define LINE_MAX_LEN	(64u << 10)
#define ARGS_MAX	(1024 * 1024)
#define ARGS_KEEP	1024u		/* arguments' room kept when idle */
#define BLOB_STEP	(1u << 20)	/* first memory of a large argument */
#define RECV_MAX	(1u << 20)	/* bytes received at a time */

void
kv_resp_init(struct kv_resp *r)
{
	memset(r, 0, sizeof(*r));
}

static void
drop_args(struct kv_resp *r, size_t from, size_t to)
{
	if (r->r_held == 0)
		return;
	for (size_t i = from; i < to; i++) {
		if (r->r_args[i].a_blob != NULL) {
			r->r_held -= r->r_args[i].a_len;
			kv_blob_unref(r->r_args[i].a_blob);
		}
	}
}

void
kv_resp_free(struct kv_resp *r)
{
	drop_args(r, 0, r->r_nargs);
	kv_blob_unref(r->r_blob);
	kv_free(r->r_args);
	kv_free(r->r_buf);
	kv_resp_init(r);
}

/* The unparsed bytes are at another address now: so are arguments in them. */
static void
rebase(struct kv_resp *r, uintptr_t from, char *to)
{
	for (size_t i = r->r_first; i < r->r_nargs; i++) {
		if (r->r_args[i].a_blob == NULL)
			r->r_args[i].a_p = to +
			    ((uintptr_t)r->r_args[i].a_p - from);
	}
}

/* Where the bytes that must be kept begin: the unfinished command's. */
static size_t
keep_from(const struct kv_resp *r)
{
	for (size_t i = r->r_first; i < r->r_nargs; i++) {
		if (r->r_args[i].a_blob == NULL)
			return (size_t)(r->r_args[i].a_p - r->r_buf);
	}
	return r->r_pos;
}

/* Move what must be kept to the front, when that is at most half of it all. */
static void
compact(struct kv_resp *r)
{
	size_t from = keep_from(r), keep = r->r_len - from;

	if (from == 0 || keep > from)
		return;
	memmove(r->r_buf, r->r_buf + from, keep);
	rebase(r, (uintptr_t)r->r_buf + from, r->r_buf);
	r->r_len = keep;
	r->r_pos -= from;
	r->r_seen = r->r_seen > from ? r->r_seen - from : 0;
}

/*
 * Where to receive the next bytes, and how many.  Every command handed out
 * before is finished with (kv_resp_done).
 */
char *
kv_resp_room(struct kv_resp *r, size_t *lenp)
{
	size_t room;

	if (r->r_blob != NULL) {
		struct kv_blob *b = r->r_blob;
		size_t want = (size_t)r->r_bulk, cap = b->b_cap;

		if (b->b_len == cap)
			b = r->r_blob = kv_blob_room(b,
			    cap * 2 < want ? cap * 2 : want);
		room = b->b_cap - b->b_len;
		*lenp = room < RECV_MAX ? room : RECV_MAX;
		return b->b_data + b->b_len;
	}
	compact(r);
	if (r->r_cap - r->r_len < BUF_MIN / 2) {
		size_t cap = r->r_cap == 0 ? BUF_MIN : r->r_cap * 2;
		uintptr_t old = (uintptr_t)r->r_buf;

		r->r_buf = kv_realloc(r->r_buf, cap);
		r->r_cap = cap;
		rebase(r, old, r->r_buf);
	}
	room = r->r_cap - r->r_len;
	*lenp = room < RECV_MAX ? room : RECV_MAX;
	return r->r_buf + r->r_len;
}

void
kv_resp_filled(struct kv_resp *r, size_t n)
{
	if (r->r_blob != NULL)
		r->r_blob->b_len += (uint32_t)n;
	else
		r->r_len += n;
}

/*
 * All commands handed out so far are finished with; those of an unfinished
 * one stay.  An idle parser gives large buffers back.
 */
void
kv_resp_done(struct kv_resp *r)
{
	size_t n;

	if (r->r_whole)
		r->r_first = r->r_nargs;
	n = r->r_nargs - r->r_first;
	drop_args(r, 0, r->r_first);
	if (n > 0 && r->r_first > 0)
		memmove(r->r_args, r->r_args + r->r_first,
		    n * sizeof(r->r_args[0]));
	r->r_first = 0;
	r->r_nargs = n;
	if (n != 0 || r->r_pos != r->r_len)
		return;
	r->r_pos = r->r_len = r->r_seen = 0;
	if (r->r_cap > BUF_MIN) {
		kv_free(r->r_buf);
		r->r_buf = NULL;
		r->r_cap = 0;
	}
	if (r->r_capargs > ARGS_KEEP) {
		kv_free(r->r_args);
		r->r_args = NULL;
		r->r_capargs = 0;
	}
}

static enum kv_resp_what
bad(struct kv_resp *r, const char *text)
{
	snprintf(r->r_error, sizeof(r->r_error), "Protocol error: %s", text);
	return KV_RESP_BAD;
}

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
 * The line at r_pos, ended by end: its length without the end, or -1 if it is
 * not complete.
 */
static ssize_t
find_line(struct kv_resp *r, char end)
{
	size_t from = r->r_seen > r->r_pos ? r->r_seen : r->r_pos;
	char *p = memchr(r->r_buf + from, end, r->r_len - from);

	if (p == NULL) {
		r->r_seen = r->r_len;
		return -1;
	}
	r->r_seen = (size_t)(p - r->r_buf);
	return p - r->r_buf - (ssize_t)r->r_pos;
}

/*
 * A line of the form Xnumber\r\n, eaten up.  -1: incomplete.  *valp is
 * INT64_MIN if it is no number.
 */
static int
number_line(struct kv_resp *r, int64_t *valp)
{
	ssize_t n = find_line(r, '\r');
	const char *p = r->r_buf + r->r_pos;

	if (n < 0 || r->r_pos + (size_t)n + 2 > r->r_len)
		return -1;
	if (!kv_parse_i64(p + 1, (size_t)n - 1, valp))
		*valp = INT64_MIN;
	r->r_pos += (size_t)n + 2;
	return 0;
}

static int
hex_digit(int c)
{
	if (isdigit(c))
		return c - '0';
	c = tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a double-quoted word: *pp behind it. */
static char
unescape(const char **pp, const char *end)
{
	static const char names[] = "n\nr\rt\tb\ba\a";
	const char *p = *pp;
	char c = *p++;

	if (c == '\\' && p < end) {
		if (end - p >= 3 && *p == 'x' &&
		    hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
			c = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
			p += 3;
		} else {
			c = *p++;
			for (size_t i = 0; names[i] != '\0'; i += 2) {
				if (names[i] == c) {
					c = names[i + 1];
					break;
				}
			}
		}
	}
	*pp = p;
	return c;
}

/*
 * One word of an inline command, unquoted where it stands (it gets no
 * longer).  False if a quote is not closed, or not followed by a space.
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
		} else if (quote == '\'' && *p == '\\' && end - p >= 2 &&
		    p[1] == '\'') {
			*out++ = '\'';
			p += 2;
		} else {
			*out++ = *p++;
		}
	}
	if (quote != '\0')
		return false;
	push_arg(r, start, (size_t)(out - start), NULL);
	*pp = p;
	return true;
}

static enum kv_resp_what
next_inline(struct kv_resp *r)
{
	ssize_t n = find_line(r, '\n');
	const char *p, *end;

	if (n < 0) {
		if (r->r_len - r->r_pos > LINE_MAX_LEN)
			return bad(r, "too big inline request");
		return KV_RESP_MORE;
	}
	p = r->r_buf + r->r_pos;
	end = p + n;
	r->r_pos += (size_t)n + 1;
	if (n > 0 && end[-1] == '\r')
		end--;
	for (;;) {
		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p == end) {
			r->r_whole = true;
			return KV_RESP_CMD;
		}
		if (!inline_word(r, &p, end))
			return bad(r, "unbalanced quotes in request");
	}
}

/* The header of one argument, $len. */
static enum kv_resp_what
bulk_header(struct kv_resp *r)
{
	char text[32];
	int c;

	if (r->r_pos == r->r_len)
		return KV_RESP_MORE;
	c = (unsigned char)r->r_buf[r->r_pos];
	if (number_line(r, &r->r_bulk) != 0) {
		if (r->r_len - r->r_pos > LINE_MAX_LEN)
			return bad(r, "too big bulk count string");
		return KV_RESP_MORE;
	}
	if (c != '$') {
		snprintf(text, sizeof(text), "expected '$', got '%c'", c);
		return bad(r, text);
	}
	if (r->r_bulk < 0 || r->r_bulk > KV_MAXBULK)
		return bad(r, "invalid bulk length");
	return KV_RESP_CMD;
}

/* A large argument that is not all here yet gets memory of its own. */
static void
begin_blob(struct kv_resp *r)
{
	size_t have = r->r_len - r->r_pos, want = (size_t)r->r_bulk;
	struct kv_blob *b;

	if (have > want)
		have = want;
	b = kv_blob_new(NULL, have);
	b = kv_blob_room(b, want < BLOB_STEP ? want :
	    have < BLOB_STEP ? BLOB_STEP : have);
	memcpy(b->b_data, r->r_buf + r->r_pos, have);
	r->r_pos += have;
	r->r_blob = b;
}

/* The bytes of one argument: in r_buf, or the rest of its blob. */
static enum kv_resp_what
bulk_body(struct kv_resp *r)
{
	size_t len = (size_t)r->r_bulk;
	struct kv_blob *b;

	if (r->r_blob == NULL && len >= KV_BIG)
		begin_blob(r);
	b = r->r_blob;
	if (b != NULL) {
		if (b->b_len < len)
			return KV_RESP_MORE;
		push_arg(r, b->b_data, len, b);
		r->r_held += len;
		r->r_blob = NULL;
	} else {
		if (r->r_len - r->r_pos < len)
			return KV_RESP_MORE;
		push_arg(r, r->r_buf + r->r_pos, len, NULL);
		r->r_pos += len;
	}
	return KV_RESP_CMD;
}

/* The line end behind an argument; its two bytes can be any, as in Redis. */
static enum kv_resp_what
bulk_end(struct kv_resp *r)
{
	if (r->r_len - r->r_pos < 2)
		return KV_RESP_MORE;
	r->r_pos += 2;
	return KV_RESP_CMD;
}

static enum kv_resp_what
next_args(struct kv_resp *r)
{
	static enum kv_resp_what (*const steps[])(struct kv_resp *) = {
		[KV_RESP_HEADER] = bulk_header,
		[KV_RESP_BODY] = bulk_body,
		[KV_RESP_END] = bulk_end,
	};
	enum kv_resp_what what;

	while (r->r_multi > 0) {
		what = steps[r->r_step](r);
		if (what != KV_RESP_CMD)
			return what;
		if (r->r_step++ == KV_RESP_END) {
			r->r_step = KV_RESP_HEADER;
			r->r_multi--;
		}
	}
	r->r_whole = true;
	return KV_RESP_CMD;
}

/*
 * The next command: arguments r_first to r_nargs (none: an empty line, to be
 * ignored).  KV_RESP_BAD: r_error says why, and the stream is lost.
 */
enum kv_resp_what
kv_resp_next(struct kv_resp *r)
{
	if (r->r_multi == 0) {
		r->r_first = r->r_nargs;
		r->r_whole = false;
		if (r->r_pos == r->r_len)
			return KV_RESP_MORE;
		if (r->r_buf[r->r_pos] != '*')
			return next_inline(r);
		if (number_line(r, &r->r_multi) != 0) {
			r->r_multi = 0;
			if (r->r_len - r->r_pos > LINE_MAX_LEN)
				return bad(r, "too big mbulk count string");
			return KV_RESP_MORE;
		}
		if (r->r_multi == INT64_MIN || r->r_multi > ARGS_MAX)
			return bad(r, "invalid multibulk length");
		if (r->r_multi < 0)
			r->r_multi = 0;
	}
	return next_args(r);
}
