/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer of replies.
 *
 * THEORY: a reply is a list of pieces.  Text is appended to the last piece.
 * The first piece grows up to BUF_KEEP bytes; then more pieces are added, each
 * as large as all pieces before it together, up to PIECE_MAX.  Of a blob,
 * KV_BIG bytes or more are not copied: they are a separate piece, which refers
 * to the blob.  So no step takes longer than a piece does, however long a reply
 * gets: text does not move when more is appended, and a long reply is freed
 * piece by piece.
 *
 * The sender asks for the next bytes (kv_reply_peek), sends what it can, and
 * reports how many that were (kv_reply_sent).  A reply can be appended to
 * another one, which puts the replies of several shards in order.
 *
 * INVARIANTS
 * RPL1 r_pending is the sum of p_len over all pieces, less r_pos.
 * RPL2 r_first has bytes that are not sent, unless it is the only piece.
 */
#include "proto/proto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define BUF_MIN		1024u
#define BUF_KEEP	(64u << 10)	/* more is given back when empty */
#define COPY_MAX	(4u << 10)	/* of a reply that is appended */
#define PIECE_MAX	(1u << 20)	/* so malloc maps and unmaps each */
#define FREE_MAX	16		/* pieces freed at a time */
#define TEXT_MAX	640		/* of one kv_say_text */

struct kv_piece {
	struct kv_piece	*p_next;
	struct kv_blob	*p_blob;	/* p_data is in it; NULL: p_text */
	const char	*p_data;
	size_t		 p_len;
	size_t		 p_cap;		/* of p_text */
	char		 p_text[];
};

/* Append a piece with room for cap bytes of text, or of a blob. */
static struct kv_piece *
add_piece(struct kv_reply *r, size_t cap, struct kv_blob *b)
{
	struct kv_piece *p = kv_alloc(sizeof(*p) + cap);

	*p = (struct kv_piece){ .p_blob = b, .p_data = p->p_text,
	    .p_cap = cap };
	if (r->r_first == NULL)
		r->r_first = p;
	else
		r->r_last->p_next = p;
	r->r_last = p;
	r->r_memory += sizeof(*p) + cap;
	return p;
}

/* Free the first piece. */
static void
drop_first(struct kv_reply *r)
{
	struct kv_piece *p = r->r_first;

	r->r_first = p->p_next;
	r->r_pending -= p->p_len - r->r_pos;			/* RPL1 */
	r->r_memory -= sizeof(*p) + p->p_cap;
	r->r_pos = 0;
	kv_blob_unref(p->p_blob);
	kv_free(p);
}

/* Free some of the pieces.  Returns true if none is left. */
bool
kv_reply_free_some(struct kv_reply *r)
{
	for (int n = 0; r->r_first != NULL; n++) {
		if (n == FREE_MAX)
			return false;
		drop_first(r);
	}
	return true;
}

/* Free all pieces. */
void
kv_reply_free(struct kv_reply *r)
{
	while (!kv_reply_free_some(r))
		continue;
}

/* Free the first piece, whose bytes are sent, or use it for more text. */
static void
first_is_done(struct kv_reply *r)
{
	struct kv_piece *p = r->r_first;

	if (p->p_next != NULL || p->p_blob != NULL || p->p_cap > BUF_KEEP) {
		drop_first(r);
		return;
	}
	p->p_len = 0;						/* RPL2 */
	r->r_pos = 0;
}

/* Grow the only piece, of text, until it has room for n more bytes. */
static void
grow_first(struct kv_reply *r, size_t n)
{
	struct kv_piece *p = r->r_first;
	size_t cap = p->p_cap;

	while (cap - p->p_len < n)
		cap *= 2;
	p = kv_realloc(p, sizeof(*p) + cap);
	r->r_memory += cap - p->p_cap;
	p->p_cap = cap;
	p->p_data = p->p_text;
	r->r_first = r->r_last = p;
}

/* Make room for n more bytes of text at the end of the last piece. */
static void
make_room(struct kv_reply *r, size_t n)
{
	struct kv_piece *p = r->r_last;
	size_t cap = r->r_memory;

	if (r->r_first == NULL) {
		add_piece(r, n < BUF_MIN ? BUF_MIN : n, NULL);
	} else if (p == r->r_first && p->p_blob == NULL &&
	    p->p_len + n <= BUF_KEEP) {
		grow_first(r, n);
	} else {
		if (r->r_pending == 0)
			drop_first(r);				/* RPL2 */
		cap = cap < PIECE_MAX ? cap : PIECE_MAX;
		add_piece(r, cap < n ? n : cap, NULL);
	}
}

/* Return room for n more bytes of text; wrote() says how many there are. */
static inline char *
room(struct kv_reply *r, size_t n)
{
	struct kv_piece *p = r->r_last;

	if (r->r_first == NULL || p->p_blob != NULL ||
	    p->p_cap - p->p_len < n) {
		make_room(r, n);
		p = r->r_last;
	}
	return p->p_text + p->p_len;
}

/* Count n bytes of text that were written to room(). */
static inline void
wrote(struct kv_reply *r, size_t n)
{
	r->r_last->p_len += n;
	r->r_pending += n;					/* RPL1 */
}

/* Append bytes as they are. */
static void
raw(struct kv_reply *r, const void *p, size_t len)
{
	if (len > 0) {
		memcpy(room(r, len), p, len);
		wrote(r, len);
	}
}

/* Return the next bytes to send, or NULL. */
const char *
kv_reply_peek(const struct kv_reply *r, size_t *lenp)
{
	if (r->r_pending == 0)
		return NULL;
	*lenp = r->r_first->p_len - r->r_pos;
	return r->r_first->p_data + r->r_pos;
}

/* Note that n of the bytes that kv_reply_peek() returned are sent. */
void
kv_reply_sent(struct kv_reply *r, size_t n)
{
	r->r_pos += n;
	r->r_pending -= n;
	assert(r->r_pos <= r->r_first->p_len);
	if (r->r_pos == r->r_first->p_len)
		first_is_done(r);
}

/* Append reply `from`, of which nothing was sent, and make `from` empty. */
void
kv_reply_move(struct kv_reply *to, struct kv_reply *from)
{
	struct kv_piece *p = from->r_first;

	assert(from->r_pos == 0);
	if (from->r_pending == 0)
		return;
	if (p == from->r_last && p->p_blob == NULL && p->p_len <= COPY_MAX) {
		raw(to, p->p_data, p->p_len);
		kv_reply_sent(from, p->p_len);
		return;
	}
	if (to->r_pending == 0)
		kv_reply_free(to);				/* RPL2 */
	if (to->r_first == NULL)
		to->r_first = p;
	else
		to->r_last->p_next = p;
	to->r_last = from->r_last;
	to->r_pending += from->r_pending;
	to->r_memory += from->r_memory;
	*from = (struct kv_reply){ .r_resp3 = from->r_resp3 };
}

/*
 * Append text without a type, for a buffer that becomes a string later.  It is
 * cut after TEXT_MAX - 1 bytes.
 */
void
kv_say_text(struct kv_reply *r, const char *fmt, ...)
{
	char *p = room(r, TEXT_MAX);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p, TEXT_MAX, fmt, ap);
	va_end(ap);
	wrote(r, n < TEXT_MAX ? (size_t)n : TEXT_MAX - 1);
}

/* Append a line of one type character and a number. */
void
kv_say_line(struct kv_reply *r, char type, int64_t val)
{
	char *p = room(r, KV_NUMLEN + 3);
	size_t n = 1 + kv_fmt_i64(p + 1, val);

	p[0] = type;
	memcpy(p + n, "\r\n", 2);
	wrote(r, n + 2);
}

/* Append a prefix, bytes and a line end. */
static inline void
framed(struct kv_reply *r, const char *front, const void *data, size_t len)
{
	size_t n = strlen(front);
	char *p = room(r, n + len + 2);

	memcpy(p, front, n);
	memcpy(p + n, data, len);
	memcpy(p + n + len, "\r\n", 2);
	wrote(r, n + len + 2);
}

/* Append a status. */
void
kv_say_status(struct kv_reply *r, const char *text)
{
	framed(r, "+", text, strlen(text));
}

/* Append an error, 511 bytes at most; line ends in it become spaces. */
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

/* Append a string, by a copy. */
void
kv_say_bulk(struct kv_reply *r, const void *data, size_t len)
{
	kv_say_line(r, '$', (int64_t)len);
	framed(r, "", data, len);
}

/* Append a number as a string. */
void
kv_say_number(struct kv_reply *r, int64_t val)
{
	char buf[KV_NUMLEN];

	kv_say_bulk(r, buf, kv_fmt_i64(buf, val));
}

/* Append a part of a blob as a string. */
void
kv_say_part(struct kv_reply *r, struct kv_blob *b, size_t off, size_t len)
{
	struct kv_piece *p;

	if (len < KV_BIG) {
		kv_say_bulk(r, b->b_data + off, len);
		return;
	}
	kv_say_line(r, '$', (int64_t)len);
	p = add_piece(r, 0, kv_blob_ref(b));
	p->p_data = b->b_data + off;
	wrote(r, len);
	raw(r, "\r\n", 2);
}

/* Append a blob as a string. */
void
kv_say_blob(struct kv_reply *r, struct kv_blob *b)
{
	kv_say_part(r, b, 0, b->b_len);
}

/* Append an argument as a string. */
void
kv_say_arg(struct kv_reply *r, const struct kv_arg *a)
{
	if (a->a_blob != NULL)
		kv_say_blob(r, a->a_blob);
	else
		kv_say_bulk(r, a->a_p, a->a_len);
}

/* Append a number with 17 digits, as Redis 7.0 does. */
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

/* Append text for people to read; the reply `text` is empty afterwards. */
void
kv_say_verbatim(struct kv_reply *r, struct kv_reply *text)
{
	kv_say_line(r, r->r_resp3 ? '=' : '$', (int64_t)text->r_pending +
	    (r->r_resp3 ? 4 : 0));
	if (r->r_resp3)
		raw(r, "txt:", 4);
	kv_reply_move(r, text);
	raw(r, "\r\n", 2);
}

/* Append nil. */
void
kv_say_nil(struct kv_reply *r)
{
	raw(r, r->r_resp3 ? "_\r\n" : "$-1\r\n", r->r_resp3 ? 3 : 5);
}

/* Begin an array (*), a map (%) or a set (~) of n parts; nil if n is -1. */
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
