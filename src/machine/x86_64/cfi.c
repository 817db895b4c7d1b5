/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Find the caller of a function: a small reader of unwind tables for signal
 * handlers.
 *
 * THEORY
 * Whether a thread may be interrupted depends on every frame of its stack.  A
 * signal handler must find that out, perhaps thousands of times a second.  A
 * general unwinder asks the loader for its tables, under the loader's lock, and
 * has caches under further locks.  In a signal handler, such a lock may belong
 * to a host thread that waits for this CPU.  So the caller gives this reader
 * the table.  The reader reads nothing but the table and the stack, and knows
 * only what compilers write for ordinary functions.  It never guesses: whatever
 * it does not understand is CFI_UNKNOWN, and the thread is interrupted a little
 * later, at another instruction.
 *
 * The reader follows rsp, rbp and the return address, because the frame address
 * (CFA) of a compiled function is rsp or rbp plus a constant.  Only in gcc's
 * realigned frames the CFA is in a word at a constant offset from rbp, and so
 * is the caller's rbp.  The table describes these two by expressions.
 *
 * The tables belong to the program, so their contents are not checked.  The
 * stack is checked: a word is read only within the stack's bounds, and each
 * frame must be above the last one.
 *
 * Source: the DWARF standard, version 4, section 6.4; the x86-64 ABI for the
 * numbers of registers; the LSB for .eh_frame_hdr.
 */
#include "machine/x86_64/cfi.h"

#include <string.h>

/* DWARF's numbers: of registers, of encodings (ENC) and of operators (OP). */
#define REG_NUM_BP	6
#define REG_NUM_SP	7
#define REG_NUM_RA	16
#define ENC_OMIT	0xff
#define ENC_UDATA4	0x03
#define ENC_PCREL_SDATA4 0x1b
#define ENC_DATAREL_SDATA4 0x3b
#define OP_DEREF	0x06
#define OP_BREG_BP	0x76
#define REMEMBER_MAX	4		/* most nested remember_state */

/*
 * How the caller's value of a register is found: it is unchanged (SAME), in the
 * word at CFA + r_off (AT_CFA) or at rbp + r_off (AT_BP), does not exist
 * (UNDEFINED), or is described in a way that this reader does not know (LOST).
 */
enum how { SAME, AT_CFA, AT_BP, UNDEFINED, LOST };

struct rule {
	enum how	 r_how;
	int64_t		 r_off;
};

/* The row of the table for one instruction. */
struct row {
	unsigned	 w_reg;		/* CFA = this register + w_off ... */
	int		 w_deref;	/* ... or, if 1, the word there */
	int64_t		 w_off;
	struct rule	 w_bp;		/* of rbp */
	struct rule	 w_ra;		/* of the return address */
};

/* An entry of the table: the code that it describes, and its instructions. */
struct fde {
	const uint8_t	*e_init;	/* the common part's instructions */
	const uint8_t	*e_init_end;
	const uint8_t	*e_code;	/* the entry's own instructions */
	const uint8_t	*e_code_end;
	uintptr_t	 e_begin;	/* first address of the code */
	uint64_t	 e_code_align;	/* factor of advances */
	int64_t		 e_data_align;	/* factor of offsets */
};

/* The state while the instructions of an entry are executed. */
struct run {
	struct row	 u_row;		/* the row so far, valid at u_loc */
	struct row	 u_initial;	/* the row after the common part */
	struct row	 u_saved[REMEMBER_MAX];	/* by remember_state */
	unsigned	 u_nsaved;
	uintptr_t	 u_loc;
};

static uint32_t
read_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static int32_t
read_s32(const uint8_t *p)
{
	return (int32_t)read_u32(p);
}

/*
 * Read a number that is stored with 7 bits in each byte (LEB128), and advance
 * *pp.  *shift becomes the number of bits that were stored.
 */
static uint64_t
read_leb(const uint8_t **pp, unsigned *shift)
{
	uint64_t v = 0;
	uint8_t byte;

	*shift = 0;
	do {
		byte = *(*pp)++;
		if (*shift < 64)
			v |= (uint64_t)(byte & 0x7f) << *shift;
		*shift += 7;
	} while (byte & 0x80);
	return v;
}

static uint64_t
read_uleb(const uint8_t **pp)
{
	unsigned shift;

	return read_leb(pp, &shift);
}

static int64_t
read_sleb(const uint8_t **pp)
{
	unsigned shift;
	uint64_t v = read_leb(pp, &shift);

	if (shift < 64 && (v >> (shift - 1)) != 0)	/* the sign */
		v |= ~(uint64_t)0 << shift;
	return (int64_t)v;
}

/* Find the entry that may contain pc, by the sorted index, or return NULL. */
static const uint8_t *
index_find(const uint8_t *hdr, uintptr_t pc)
{
	int64_t want = (int64_t)(pc - (uintptr_t)hdr);
	const uint8_t *tab = hdr + 12;
	uint32_t lo = 0, hi, mid;

	if (hdr[0] != 1 || hdr[1] != ENC_PCREL_SDATA4 ||
	    hdr[2] != ENC_UDATA4 || hdr[3] != ENC_DATAREL_SDATA4)
		return NULL;
	hi = read_u32(hdr + 8);
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (read_s32(tab + 8 * (size_t)mid) <= want)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	return hdr + read_s32(tab + 8 * (size_t)(lo - 1) + 4);
}

/*
 * Read at p the part that several entries share (CIE).  Returns 1, or 0 if its
 * form is unknown.  Addresses in the entries must be relative to their place,
 * which is what compilers write today.
 */
static int
cie_read(const uint8_t *p, struct fde *e)
{
	const uint8_t *end = p + 4 + read_u32(p), *aug = p + 9, *a;
	uint64_t len;

	if (read_u32(p) == 0xffffffff || read_u32(p + 4) != 0 ||
	    (p[8] != 1 && p[8] != 3) || aug[0] != 'z')
		return 0;
	p = aug + strlen((const char *)aug) + 1;
	e->e_code_align = read_uleb(&p);
	e->e_data_align = read_sleb(&p);
	if (read_uleb(&p) != REG_NUM_RA)
		return 0;
	len = read_uleb(&p);
	e->e_init = p + len;
	e->e_init_end = end;
	for (a = aug + 1; *a != '\0'; a++) {
		if (*a == 'R' && *p++ != ENC_PCREL_SDATA4)
			return 0;
		else if (*a == 'L')
			p++;
		else if (*a == 'P')	/* encoding, then 4 or 8 bytes */
			p += 1 + ((*p & 0x0f) == 0x0b ||
			    (*p & 0x0f) == ENC_UDATA4 ? 4 : 8);
		else if (*a != 'R')
			return 0;	/* also 'S', a signal frame */
	}
	return 1;
}

/*
 * Read the entry of pc.  Returns 1, or 0 if there is no entry or its form is
 * unknown.
 */
static int
fde_find(const uint8_t *hdr, uintptr_t pc, struct fde *e)
{
	const uint8_t *p = index_find(hdr, pc), *at;
	uint64_t len;

	if (p == NULL || read_u32(p) == 0xffffffff ||
	    !cie_read(p + 4 - read_u32(p + 4), e))
		return 0;
	e->e_code_end = p + 4 + read_u32(p);
	at = p + 8;
	e->e_begin = (uintptr_t)at + (uintptr_t)(intptr_t)read_s32(at);
	if (pc - e->e_begin >= read_u32(at + 4))
		return 0;
	p = at + 8;
	len = read_uleb(&p);
	e->e_code = p + len;
	return 1;
}

static struct rule *
rule_of(struct row *w, uint64_t reg, struct rule *other)
{
	return reg == REG_NUM_BP ? &w->w_bp : reg == REG_NUM_RA ? &w->w_ra :
	    other;
}

static void
row_set(struct row *w, uint64_t reg, enum how how, int64_t off)
{
	struct rule other;

	*rule_of(w, reg, &other) = (struct rule){ how, off };
}

/*
 * Read an expression that means the address rbp + *off, or the word at that
 * address (*deref).  Returns 1, or 0 if it is another expression.
 */
static int
expression(const uint8_t *p, uint64_t len, int64_t *off, int *deref)
{
	const uint8_t *end = p + len;

	if (len < 2 || *p++ != OP_BREG_BP)
		return 0;
	*off = read_sleb(&p);
	*deref = p + 1 == end && *p == OP_DEREF;
	return p == end || *deref;
}

static int
cfa_expression(struct row *w, const uint8_t **pp)
{
	uint64_t len = read_uleb(pp);
	const uint8_t *p = *pp;

	*pp += len;
	w->w_reg = REG_NUM_BP;
	return expression(p, len, &w->w_off, &w->w_deref);
}

static void
reg_expression(struct row *w, const uint8_t **pp)
{
	uint64_t reg = read_uleb(pp), len = read_uleb(pp);
	const uint8_t *p = *pp;
	int64_t off = 0;
	int deref;

	*pp += len;
	if (expression(p, len, &off, &deref) && !deref)
		row_set(w, reg, AT_BP, off);
	else
		row_set(w, reg, LOST, 0);
}

static void
row_restore(struct run *u, uint64_t reg)
{
	struct rule other = { SAME, 0 };

	*rule_of(&u->u_row, reg, &other) =
	    *rule_of(&u->u_initial, reg, &other);
}

/*
 * Execute an instruction that defines the CFA.  Returns 1, or 0 if the
 * instruction is unknown.
 */
static int
exec_cfa(const struct fde *e, struct row *w, uint8_t op, const uint8_t **pp)
{
	switch (op) {
	case 0x0c:					/* def_cfa */
		w->w_reg = (unsigned)read_uleb(pp);
		w->w_off = (int64_t)read_uleb(pp);
		break;
	case 0x0d:					/* def_cfa_register */
		w->w_reg = (unsigned)read_uleb(pp);
		break;
	case 0x0e:					/* def_cfa_offset */
		w->w_off = (int64_t)read_uleb(pp);
		break;
	case 0x0f:					/* def_cfa_expression */
		return cfa_expression(w, pp);
	case 0x12:					/* def_cfa_sf */
		w->w_reg = (unsigned)read_uleb(pp);
		w->w_off = read_sleb(pp) * e->e_data_align;
		break;
	case 0x13:					/* def_cfa_offset_sf */
		w->w_off = read_sleb(pp) * e->e_data_align;
		break;
	default:
		return 0;
	}
	w->w_deref = 0;
	return 1;
}

/*
 * Execute an instruction whose number is in its low six bits.  Returns 1, or 0
 * if the instruction is unknown.
 */
static int
exec_one(const struct fde *e, struct run *u, uint8_t op, const uint8_t **pp)
{
	struct row *w = &u->u_row;
	uint64_t reg;

	switch (op) {
	case 0x00:					/* nop */
		return 1;
	case 0x05:					/* offset_extended */
		reg = read_uleb(pp);
		row_set(w, reg, AT_CFA, (int64_t)read_uleb(pp) *
		    e->e_data_align);
		return 1;
	case 0x06:					/* restore_extended */
		row_restore(u, read_uleb(pp));
		return 1;
	case 0x07:					/* undefined */
		row_set(w, read_uleb(pp), UNDEFINED, 0);
		return 1;
	case 0x08:					/* same_value */
		row_set(w, read_uleb(pp), SAME, 0);
		return 1;
	case 0x0a:					/* remember_state */
		if (u->u_nsaved == REMEMBER_MAX)
			return 0;
		u->u_saved[u->u_nsaved++] = *w;
		return 1;
	case 0x0b:					/* restore_state */
		if (u->u_nsaved == 0)
			return 0;
		*w = u->u_saved[--u->u_nsaved];
		return 1;
	case 0x10:					/* expression */
		reg_expression(w, pp);
		return 1;
	case 0x11:					/* offset_extended_sf */
		reg = read_uleb(pp);
		row_set(w, reg, AT_CFA, read_sleb(pp) * e->e_data_align);
		return 1;
	case 0x2e:					/* GNU_args_size */
		(void)read_uleb(pp);
		return 1;
	default:
		return exec_cfa(e, w, op, pp);
	}
}

/*
 * Return by how much an instruction advances the location, or -1 if it does
 * not.
 */
static int64_t
advance(uint8_t op, const uint8_t **pp)
{
	const uint8_t *p = *pp;
	uint16_t v16;

	switch (op) {
	case 0x02:
		*pp += 1;
		return *p;
	case 0x03:
		*pp += 2;
		memcpy(&v16, p, sizeof(v16));
		return v16;
	case 0x04:
		*pp += 4;
		return read_u32(p);
	default:
		return op >> 6 == 1 ? op & 0x3f : -1;
	}
}

/*
 * Execute instructions until the row in u is the one for pc.  Returns 1, or 0
 * if one of the instructions is unknown.
 */
static int
exec(const struct fde *e, struct run *u, const uint8_t *p, const uint8_t *end,
    uintptr_t pc)
{
	int64_t moved;
	uint8_t op;

	while (p < end) {
		op = *p++;
		moved = advance(op, &p);
		if (moved >= 0) {
			u->u_loc += (uint64_t)moved * e->e_code_align;
			if (u->u_loc > pc)
				return 1;
		} else if (op >> 6 == 2) {		/* offset */
			row_set(&u->u_row, op & 0x3f, AT_CFA,
			    (int64_t)read_uleb(&p) * e->e_data_align);
		} else if (op >> 6 == 3) {		/* restore */
			row_restore(u, op & 0x3f);
		} else if (!exec_one(e, u, op, &p)) {
			return 0;
		}
	}
	return 1;
}

static int
stack_word(const struct cfi_stack *cs, uintptr_t at, uintptr_t *word)
{
	if (at < cs->cs_lo || at > cs->cs_hi - sizeof(*word) ||
	    at % sizeof(*word) != 0)
		return 0;
	memcpy(word, (const void *)at, sizeof(*word));
	return 1;
}

static int
row_cfa(const struct row *w, const struct cfi_frame *f,
    const struct cfi_stack *cs, uintptr_t *cfa)
{
	if (w->w_reg != REG_NUM_SP && w->w_reg != REG_NUM_BP)
		return 0;
	*cfa = (w->w_reg == REG_NUM_SP ? f->f_sp : f->f_bp) +
	    (uintptr_t)w->w_off;
	return !w->w_deref || stack_word(cs, *cfa, cfa);
}

static enum cfi_result
row_apply(const struct row *w, struct cfi_frame *f,
    const struct cfi_stack *cs)
{
	uintptr_t cfa, bp = f->f_bp, pc;

	if (w->w_ra.r_how == UNDEFINED)
		return CFI_BOTTOM;
	if (w->w_ra.r_how != AT_CFA || !row_cfa(w, f, cs, &cfa) ||
	    cfa <= f->f_sp || cfa > cs->cs_hi ||
	    !stack_word(cs, cfa + (uintptr_t)w->w_ra.r_off, &pc))
		return CFI_UNKNOWN;
	if (w->w_bp.r_how == LOST || w->w_bp.r_how == UNDEFINED ||
	    (w->w_bp.r_how != SAME && !stack_word(cs,
	    (w->w_bp.r_how == AT_CFA ? cfa : f->f_bp) +
	    (uintptr_t)w->w_bp.r_off, &bp)))
		return CFI_UNKNOWN;
	*f = (struct cfi_frame){ .f_pc = pc, .f_sp = cfa, .f_bp = bp };
	return CFI_CALLER;
}

enum cfi_result
lwkt__cfi_step(const uint8_t *hdr, struct cfi_frame *f,
    const struct cfi_stack *stack, int called)
{
	uintptr_t pc = f->f_pc - (called ? 1 : 0);
	struct run u = { .u_nsaved = 0 };
	struct fde e;

	if (hdr == NULL || !fde_find(hdr, pc, &e))
		return CFI_UNKNOWN;
	if (!exec(&e, &u, e.e_init, e.e_init_end, UINTPTR_MAX))
		return CFI_UNKNOWN;
	u.u_initial = u.u_row;
	u.u_loc = e.e_begin;
	if (!exec(&e, &u, e.e_code, e.e_code_end, pc))
		return CFI_UNKNOWN;
	return row_apply(&u.u_row, f, stack);
}
