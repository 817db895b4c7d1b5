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
#include "reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BUF_MIN		1024u
#define BUF_KEEP	(64u << 10)	/* more is given back when empty */

static void
drop_externs(struct kv_reply *r)
{
	while (r->r_next < r->r_count)
		kv_blob_unref(r->r_ext[r->r_next++].x_blob);
	r->r_next = r->r_count = 0;
	r->r_extlen = r->r_extpos = 0;
}

void
kv_reply_free(struct kv_reply *r)
{
	drop_externs(r);
	kv_free(r->r_ext);
	kv_free(r->r_buf);
	memset(r, 0, sizeof(*r));
}

/* Forget everything; large memory is given back. */
void
kv_reply_reset(struct kv_reply *r)
{
	bool resp3 = r->r_resp3;

	if (r->r_cap > BUF_KEEP || r->r_capext > 16) {
		kv_reply_free(r);
		r->r_resp3 = resp3;
		return;
	}
	if (r->r_count > 0)
		drop_externs(r);
	r->r_len = r->r_pos = 0;
}

char *
kv_reply_grow(struct kv_reply *r, size_t n)
{
	size_t cap = r->r_cap < BUF_MIN / 2 ? BUF_MIN : r->r_cap * 2;

	while (cap - r->r_len < n)
		cap *= 2;
	r->r_buf = kv_realloc(r->r_buf, cap);
	r->r_cap = cap;
	return r->r_buf + r->r_len;
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

		kv_reply_raw(to, from->r_buf + start, x->x_at - start);
		start = x->x_at;
		from->r_extlen -= x->x_blob->b_len;
		add_extern(to, x->x_blob);
	}
	kv_reply_raw(to, from->r_buf + start, end - start);
}

/* Bytes that are still to be sent. */
size_t
kv_reply_pending(const struct kv_reply *r)
{
	return r->r_len - r->r_pos + r->r_extlen;
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

void
kv_reply_raw(struct kv_reply *r, const void *p, size_t len)
{
	if (len == 0)
		return;
	memcpy(kv_reply_room(r, len), p, len);
	r->r_len += len;
}

/* A line of one type character and a number. */
static void
number_line(struct kv_reply *r, char type, int64_t val)
{
	char *p = kv_reply_room(r, KV_NUMLEN + 3);
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

void
kv_reply_status(struct kv_reply *r, const char *text)
{
	size_t len = strlen(text);
	char *p = kv_reply_room(r, len + 3);

	p[0] = '+';
	memcpy(p + 1, text, len);
	memcpy(p + 1 + len, "\r\n", 2);
	r->r_len += len + 3;
}

/* An error; what would end its line becomes a space. */
void
kv_reply_error(struct kv_reply *r, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	n = strlen(buf);
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\r' || buf[i] == '\n')
			buf[i] = ' ';
	}
	kv_reply_raw(r, "-", 1);
	kv_reply_raw(r, buf, n);
	kv_reply_raw(r, "\r\n", 2);
}

void
kv_reply_int(struct kv_reply *r, int64_t val)
{
	number_line(r, ':', val);
}

void
kv_reply_bulk(struct kv_reply *r, const void *data, size_t len)
{
	char *p;

	number_line(r, '$', (int64_t)len);
	p = kv_reply_room(r, len + 2);
	memcpy(p, data, len);
	memcpy(p + len, "\r\n", 2);
	r->r_len += len + 2;
}

void
kv_reply_str(struct kv_reply *r, const char *s)
{
	kv_reply_bulk(r, s, strlen(s));
}

void
kv_reply_bulk_int(struct kv_reply *r, int64_t val)
{
	char buf[KV_NUMLEN];

	kv_reply_bulk(r, buf, kv_fmt_i64(buf, val));
}

void
kv_reply_blob(struct kv_reply *r, struct kv_blob *b)
{
	if (b->b_len < KV_BIG) {
		kv_reply_bulk(r, b->b_data, b->b_len);
		return;
	}
	number_line(r, '$', b->b_len);
	add_extern(r, kv_blob_ref(b));
	kv_reply_raw(r, "\r\n", 2);
}

void
kv_reply_double(struct kv_reply *r, double val)
{
	char buf[KV_NUMLEN];
	size_t n = kv_fmt_double(buf, val);

	if (!r->r_resp3) {
		kv_reply_bulk(r, buf, n);
		return;
	}
	kv_reply_raw(r, ",", 1);
	kv_reply_raw(r, buf, n);
	kv_reply_raw(r, "\r\n", 2);
}

/* Text for people. */
void
kv_reply_verbatim(struct kv_reply *r, const char *p, size_t len)
{
	if (!r->r_resp3) {
		kv_reply_bulk(r, p, len);
		return;
	}
	number_line(r, '=', (int64_t)len + 4);
	kv_reply_raw(r, "txt:", 4);
	kv_reply_raw(r, p, len);
	kv_reply_raw(r, "\r\n", 2);
}

void
kv_reply_null(struct kv_reply *r)
{
	if (r->r_resp3)
		kv_reply_raw(r, "_\r\n", 3);
	else
		kv_reply_raw(r, "$-1\r\n", 5);
}

void
kv_reply_null_array(struct kv_reply *r)
{
	if (r->r_resp3)
		kv_reply_raw(r, "_\r\n", 3);
	else
		kv_reply_raw(r, "*-1\r\n", 5);
}

void
kv_reply_array(struct kv_reply *r, uint64_t n)
{
	number_line(r, '*', (int64_t)n);
}

void
kv_reply_map(struct kv_reply *r, uint64_t pairs)
{
	if (r->r_resp3)
		number_line(r, '%', (int64_t)pairs);
	else
		number_line(r, '*', (int64_t)pairs * 2);
}

void
kv_reply_set(struct kv_reply *r, uint64_t n)
{
	number_line(r, r->r_resp3 ? '~' : '*', (int64_t)n);
}
