/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer of replies.
 *
 * THEORY: text goes to the end of one buffer.  A string of KV_BIG bytes or
 * more is not copied: the reply takes a reference and remembers in front of
 * which byte of text it belongs.  The sender asks for the next stretch
 * (kv_reply_peek), sends what it can, and says how much that was.  Parts of a
 * reply can be moved to another one, which puts the answers of several shards
 * in order.
 *
 * INVARIANTS
 * I1 r_pos <= r_len; r_next <= r_count; externs in the order of x_at.
 * I2 r_extlen is the sum of b_len over externs not done with, less r_extpos.
 */
#include "proto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_MIN		1024u
#define BUF_KEEP	(64u << 10)	/* more is given back when empty */
#define TEXT_MAX	640		/* of one kv_say_text */

void
kv_reply_free(struct kv_reply *r)
{
	while (r->r_next < r->r_count)
		kv_blob_unref(r->r_ext[r->r_next++].x_blob);
	kv_free(r->r_ext);
	kv_free(r->r_buf);
	*r = (struct kv_reply){ .r_resp3 = r->r_resp3 };
}

/* Forget everything; large memory is given back. */
void
kv_reply_reset(struct kv_reply *r)
{
	if (r->r_cap > BUF_KEEP || r->r_count > 0)
		kv_reply_free(r);
	r->r_len = r->r_pos = 0;
}

static char *
grow(struct kv_reply *r, size_t n)
{
	size_t cap = r->r_cap < BUF_MIN / 2 ? BUF_MIN : r->r_cap * 2;

	while (cap - r->r_len < n)
		cap *= 2;
	r->r_buf = kv_realloc(r->r_buf, cap);
	r->r_cap = cap;
	return r->r_buf + r->r_len;
}

/* Room for n more bytes of text; who writes them moves r_len. */
static inline char *
room(struct kv_reply *r, size_t n)
{
	return r->r_cap - r->r_len < n ? grow(r, n) : r->r_buf + r->r_len;
}

static void
raw(struct kv_reply *r, const void *p, size_t len)
{
	if (len > 0)
		memcpy(room(r, len), p, len);
	r->r_len += len;
}

/* Take over a reference to b, to be sent behind the text so far. */
static void
add_extern(struct kv_reply *r, struct kv_blob *b)
{
	if (r->r_count == r->r_capext) {
		r->r_capext = r->r_capext == 0 ? 4 : r->r_capext * 2;
		r->r_ext = kv_realloc(r->r_ext,
		    r->r_capext * sizeof(r->r_ext[0]));
	}
	r->r_ext[r->r_count++] = (struct kv_extern){ r->r_len, b };
	r->r_extlen += b->b_len;
}

/*
 * Append what stands from start to end in another reply.  Parts are moved in
 * their order, each once; externs go over with their references.
 */
void
kv_reply_move(struct kv_reply *to, struct kv_reply *from, size_t start,
    size_t end)
{
	while (from->r_next < from->r_count &&
	    from->r_ext[from->r_next].x_at < end) {
		struct kv_extern *x = &from->r_ext[from->r_next++];

		raw(to, from->r_buf + start, x->x_at - start);
		start = x->x_at;
		from->r_extlen -= x->x_blob->b_len;
		add_extern(to, x->x_blob);
	}
	raw(to, from->r_buf + start, end - start);
}

/* The next bytes to send; NULL: none. */
const char *
kv_reply_peek(const struct kv_reply *r, size_t *lenp)
{
	size_t end = r->r_len;

	if (r->r_next < r->r_count) {
		const struct kv_extern *x = &r->r_ext[r->r_next];

		if (x->x_at == r->r_pos) {
			*lenp = x->x_blob->b_len - r->r_extpos;
			return x->x_blob->b_data + r->r_extpos;
		}
		end = x->x_at;
	}
	*lenp = end - r->r_pos;
	return end > r->r_pos ? r->r_buf + r->r_pos : NULL;
}

/* Close the gap that what was sent left at the front. */
static void
forget_sent(struct kv_reply *r)
{
	r->r_len -= r->r_pos;
	memmove(r->r_buf, r->r_buf + r->r_pos, r->r_len);
	for (size_t i = r->r_next; i < r->r_count; i++) {
		r->r_ext[i].x_at -= r->r_pos;
		r->r_ext[i - r->r_next] = r->r_ext[i];
	}
	r->r_count -= r->r_next;
	r->r_next = 0;
	r->r_pos = 0;
}

/* n of the bytes that kv_reply_peek showed are sent. */
void
kv_reply_sent(struct kv_reply *r, size_t n)
{
	struct kv_extern *x = &r->r_ext[r->r_next];

	if (r->r_next < r->r_count && x->x_at == r->r_pos) {
		r->r_extpos += n;
		r->r_extlen -= n;
		if (r->r_extpos == x->x_blob->b_len) {
			kv_blob_unref(x->x_blob);
			r->r_next++;
			r->r_extpos = 0;
		}
	} else {
		r->r_pos += n;
		assert(r->r_pos <= r->r_len);			/* I1 */
	}
	if (r->r_pos == r->r_len && r->r_next == r->r_count)
		kv_reply_reset(r);
	else if (r->r_pos >= BUF_KEEP && r->r_pos > r->r_len / 2)
		forget_sent(r);
}

/* Text without a form: for a buffer that becomes a string later. */
void
kv_say_text(struct kv_reply *r, const char *fmt, ...)
{
	char *p = room(r, TEXT_MAX);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p, TEXT_MAX, fmt, ap);
	va_end(ap);
	r->r_len += n < TEXT_MAX ? (size_t)n : TEXT_MAX - 1;
}

/* A line of one type character and a number. */
static void
number_line(struct kv_reply *r, char type, int64_t val)
{
	char *p = room(r, KV_NUMLEN + 3);
	size_t n = 1;

	p[0] = type;
	if (val >= 0 && val <= 9)
		p[n++] = (char)('0' + val);
	else
		n += kv_fmt_i64(p + 1, val);
	p[n++] = '\r';
	p[n++] = '\n';
	r->r_len += n;
}

/* Bytes between something in front and a line end. */
static inline void
framed(struct kv_reply *r, const char *front, const void *data, size_t len)
{
	size_t n = strlen(front);
	char *p = room(r, n + len + 2);

	memcpy(p, front, n);
	memcpy(p + n, data, len);
	memcpy(p + n + len, "\r\n", 2);
	r->r_len += n + len + 2;
}

void
kv_say_status(struct kv_reply *r, const char *text)
{
	framed(r, "+", text, strlen(text));
}

/* An error; what would end its line becomes a space. */
void
kv_say_error(struct kv_reply *r, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	for (char *p = buf; (p = strpbrk(p, "\r\n")) != NULL;)
		*p = ' ';
	framed(r, "-", buf, strlen(buf));
}

void
kv_say_int(struct kv_reply *r, int64_t val)
{
	number_line(r, ':', val);
}

void
kv_say_bulk(struct kv_reply *r, const void *data, size_t len)
{
	number_line(r, '$', (int64_t)len);
	framed(r, "", data, len);
}

void
kv_say_str(struct kv_reply *r, const char *s)
{
	kv_say_bulk(r, s, strlen(s));
}

/* A number as a string. */
void
kv_say_number(struct kv_reply *r, int64_t val)
{
	char buf[KV_NUMLEN];

	kv_say_bulk(r, buf, kv_fmt_i64(buf, val));
}

void
kv_say_blob(struct kv_reply *r, struct kv_blob *b)
{
	if (b->b_len < KV_BIG) {
		kv_say_bulk(r, b->b_data, b->b_len);
		return;
	}
	number_line(r, '$', b->b_len);
	add_extern(r, kv_blob_ref(b));
	raw(r, "\r\n", 2);
}

void
kv_say_double(struct kv_reply *r, double val)
{
	char buf[KV_NUMLEN];
	size_t n = kv_fmt_double(buf, val);

	if (r->r_resp3)
		framed(r, ",", buf, n);
	else
		kv_say_bulk(r, buf, n);
}

/* Text for people. */
void
kv_say_verbatim(struct kv_reply *r, const char *p, size_t len)
{
	if (!r->r_resp3) {
		kv_say_bulk(r, p, len);
		return;
	}
	number_line(r, '=', (int64_t)len + 4);
	framed(r, "txt:", p, len);
}

void
kv_say_nil(struct kv_reply *r)
{
	if (r->r_resp3)
		raw(r, "_\r\n", 3);
	else
		raw(r, "$-1\r\n", 5);
}

/* n parts follow: an array *, a map % of pairs, a set ~; -1: nil instead. */
void
kv_say_many(struct kv_reply *r, char type, int64_t n)
{
	if (n < 0 && r->r_resp3)
		kv_say_nil(r);
	else if (r->r_resp3)
		number_line(r, type, n);
	else
		number_line(r, '*', type == '%' ? n * 2 : n);
}
