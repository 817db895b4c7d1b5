/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer of replies.
 *
 * THEORY: text goes to the end of one buffer.  A string of KV_BIG bytes or
 * more is not copied: the reply takes a reference and remembers in front of
 * which byte of text it belongs.  The sender asks for the next stretch
 * (kv_reply_peek), sends what it can, and says how much that was.  A reply can
 * be appended to another one, which puts the answers of several shards in
 * order.
 *
 * INVARIANTS
 * I1 r_pos <= r_len; r_pos <= x_at of the first extern, x_at ascending.
 * I2 r_extlen is the sum of b_len over r_ext, less r_extpos.
 */
#include "proto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_MIN		1024u
#define BUF_KEEP	(64u << 10)	/* more is given back when empty */
#define TEXT_MAX	640		/* of one kv_say_text */

/* A large string that is sent in front of byte x_at of the text. */
struct kv_extern {
	struct kv_extern *x_next;
	size_t		 x_at;
	struct kv_blob	*x_blob;
};

/* Room for n more bytes of text; who writes them moves r_len. */
static inline char *
room(struct kv_reply *r, size_t n)
{
	size_t cap = r->r_cap < BUF_MIN ? BUF_MIN : r->r_cap;

	if (r->r_cap - r->r_len < n) {
		while (cap - r->r_len < n)
			cap *= 2;
		r->r_buf = kv_realloc(r->r_buf, cap);
		r->r_cap = cap;
	}
	return r->r_buf + r->r_len;
}

static void
raw(struct kv_reply *r, const void *p, size_t len)
{
	if (len > 0)
		memcpy(room(r, len), p, len);
	r->r_len += len;
}

/* A string to be sent behind the text so far. */
static void
put_extern(struct kv_reply *r, struct kv_extern *x, struct kv_blob *b)
{
	*x = (struct kv_extern){ .x_at = r->r_len, .x_blob = b };
	if (r->r_ext == NULL)
		r->r_last = &r->r_ext;
	*r->r_last = x;
	r->r_last = &x->x_next;
	r->r_extlen += b->b_len;
}

/* The first extern leaves the reply. */
static struct kv_extern *
take_extern(struct kv_reply *r)
{
	struct kv_extern *x = r->r_ext;

	r->r_ext = x->x_next;
	r->r_extlen -= x->x_blob->b_len - r->r_extpos;
	r->r_extpos = 0;
	return x;
}

static void
drop_extern(struct kv_reply *r)
{
	struct kv_extern *x = take_extern(r);

	kv_blob_unref(x->x_blob);
	kv_free(x);
}

void
kv_reply_free(struct kv_reply *r)
{
	while (r->r_ext != NULL)
		drop_extern(r);
	kv_free(r->r_buf);
	*r = (struct kv_reply){ .r_resp3 = r->r_resp3 };
}

/* Forget everything; large memory is given back. */
void
kv_reply_reset(struct kv_reply *r)
{
	if (r->r_cap > BUF_KEEP || r->r_ext != NULL)
		kv_reply_free(r);
	r->r_len = r->r_pos = 0;
}

/* Append another reply, which is empty then. */
void
kv_reply_move(struct kv_reply *to, struct kv_reply *from)
{
	struct kv_extern *x;
	size_t pos = 0;

	while ((x = from->r_ext) != NULL) {
		raw(to, from->r_buf + pos, x->x_at - pos);
		pos = x->x_at;
		put_extern(to, take_extern(from), x->x_blob);
	}
	raw(to, from->r_buf + pos, from->r_len - pos);
	from->r_len = 0;
	if (from->r_cap > BUF_MIN)
		kv_reply_free(from);
}

/* The next bytes to send; NULL: none. */
const char *
kv_reply_peek(const struct kv_reply *r, size_t *lenp)
{
	const struct kv_extern *x = r->r_ext;

	if (x != NULL && x->x_at == r->r_pos) {
		*lenp = x->x_blob->b_len - r->r_extpos;
		return x->x_blob->b_data + r->r_extpos;
	}
	*lenp = (x != NULL ? x->x_at : r->r_len) - r->r_pos;
	return *lenp > 0 ? r->r_buf + r->r_pos : NULL;
}

/* Close the gap that what was sent left at the front. */
static void
forget_sent(struct kv_reply *r)
{
	r->r_len -= r->r_pos;
	memmove(r->r_buf, r->r_buf + r->r_pos, r->r_len);
	for (struct kv_extern *x = r->r_ext; x != NULL; x = x->x_next)
		x->x_at -= r->r_pos;
	r->r_pos = 0;
}

/* n of the bytes that kv_reply_peek showed are sent. */
void
kv_reply_sent(struct kv_reply *r, size_t n)
{
	struct kv_extern *x = r->r_ext;

	if (x != NULL && x->x_at == r->r_pos) {
		r->r_extpos += n;
		r->r_extlen -= n;
		if (r->r_extpos == x->x_blob->b_len)
			drop_extern(r);
	} else {
		r->r_pos += n;
		assert(r->r_pos <= r->r_len);			/* I1 */
	}
	if (r->r_pos == r->r_len && r->r_ext == NULL)
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
void
kv_say_line(struct kv_reply *r, char type, int64_t val)
{
	char *p = room(r, KV_NUMLEN + 3);
	size_t n = 1 + kv_fmt_i64(p + 1, val);

	p[0] = type;
	memcpy(p + n, "\r\n", 2);
	r->r_len += n + 2;
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
kv_say_bulk(struct kv_reply *r, const void *data, size_t len)
{
	kv_say_line(r, '$', (int64_t)len);
	framed(r, "", data, len);
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
	kv_say_line(r, '$', b->b_len);
	put_extern(r, kv_alloc(sizeof(struct kv_extern)), kv_blob_ref(b));
	raw(r, "\r\n", 2);
}

/* With the 17 digits that clients of Redis 7.0 see. */
void
kv_say_double(struct kv_reply *r, double val)
{
	char buf[KV_NUMLEN];
	size_t n = (size_t)snprintf(buf, sizeof(buf), "%.17g", val);

	if (r->r_resp3)
		kv_say_text(r, ",%s\r\n", buf);
	else
		kv_say_bulk(r, buf, n);
}

/* Text for people. */
void
kv_say_verbatim(struct kv_reply *r, const struct kv_reply *text)
{
	if (!r->r_resp3) {
		kv_say_bulk(r, text->r_buf, text->r_len);
		return;
	}
	kv_say_line(r, '=', (int64_t)text->r_len + 4);
	framed(r, "txt:", text->r_buf, text->r_len);
}

void
kv_say_nil(struct kv_reply *r)
{
	raw(r, r->r_resp3 ? "_\r\n" : "$-1\r\n", r->r_resp3 ? 3 : 5);
}

/* n parts follow: an array *, a map % of pairs, a set ~; -1: nil instead. */
void
kv_say_many(struct kv_reply *r, char type, int64_t n)
{
	if (n < 0 && r->r_resp3)
		kv_say_nil(r);
	else if (r->r_resp3)
		kv_say_line(r, type, n);
	else
		kv_say_line(r, '*', type == '%' ? n * 2 : n);
}
