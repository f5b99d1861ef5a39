#include "gateway/internal.h"

#include <pthread.h>

/*
 * A small rule classifier for requests that name neither type nor language: rules are data, the
 * highest score wins, chat when none reaches THRESHOLD.
 *
 * Every call without a model passes here, so the text is walked once, and each of its places looks
 * at the few rules that begin as it does.
 */
enum { THRESHOLD = 2, CLASSIFY_BYTES = 4096, LANGUAGE_WORDS = 200 };
enum { BEGINNINGS = 1 << 15, RULE_SLOTS = 256, WORD_SLOTS = 512, WORD_MAX = 15 };

static const struct {
    enum call_type type;
    int score;
    const char *text; /* found anywhere, without case */
} type_rules[] = {
    { CALL_CODING, 3, "```" },
    { CALL_CODING, 3, "#include" },
    { CALL_CODING, 3, "stack trace" },
    { CALL_CODING, 3, "traceback" },
    { CALL_CODING, 2, "def " },
    { CALL_CODING, 2, "function(" },
    { CALL_CODING, 2, "console.log" },
    { CALL_CODING, 2, "select * from" },
    { CALL_CODING, 2, "python" },
    { CALL_CODING, 2, "javascript" },
    { CALL_CODING, 2, "typescript" },
    { CALL_CODING, 2, "segfault" },
    { CALL_CODING, 2, "unit test" },
    { CALL_CODING, 2, "refactor" },
    { CALL_CODING, 2, "regex" },
    { CALL_CODING, 1, "compile" },
    { CALL_CODING, 1, "algorithm" },
    { CALL_CODING, 1, "function" },
    { CALL_CODING, 1, "code" },
    { CALL_CODING, 1, "bug" },
    { CALL_MATH, 3, "\\frac" },
    { CALL_MATH, 3, "\\int" },
    { CALL_MATH, 3, "derivative" },
    { CALL_MATH, 3, "integral" },
    { CALL_MATH, 3, "equation" },
    { CALL_MATH, 2, "theorem" },
    { CALL_MATH, 2, "calculate" },
    { CALL_MATH, 2, "probability" },
    { CALL_MATH, 2, "square root" },
    { CALL_MATH, 2, "solve for" },
    { CALL_MATH, 1, "solve" },
    { CALL_MATH, 1, "percent" },
    { CALL_MATH, 1, "how many" },
    { CALL_CREATIVE, 3, "write a poem" },
    { CALL_CREATIVE, 3, "write a story" },
    { CALL_CREATIVE, 3, "subject line" },
    { CALL_CREATIVE, 2, "poem" },
    { CALL_CREATIVE, 2, "lyrics" },
    { CALL_CREATIVE, 2, "caption" },
    { CALL_CREATIVE, 2, "slogan" },
    { CALL_CREATIVE, 2, "tagline" },
    { CALL_CREATIVE, 2, "screenplay" },
    { CALL_CREATIVE, 1, "story" },
    { CALL_CREATIVE, 1, "creative" },
    { CALL_CREATIVE, 1, "write a" },
    { CALL_CREATIVE, 1, "rewrite" },
};

/* The commonest words of each language that the others do not have. */
static const struct {
    const char *language;
    const char *words; /* between blanks */
} stop_words[] = {
    { "en", " the and is are was of to that this with you your for have what how please can would my " },
    { "fr", " le les des est une pour avec dans vous nous je que qui sur pas mon ma mes quel comment bonjour cette aux du et " },
    { "es", " el los las una por para con que como está usted mi pero muy hola qué del y gracias cómo este esta " },
    { "de", " der die das und ist nicht ein eine mit für auf ich sie wir wie was bitte mein dem den zu " },
    { "it", " il gli della che per con una sono come questo questa mi ciao perché molto anche del di e " },
    { "pt", " os uma para com não você como está por mais meu minha olá obrigado do da em e isso " },
};

/* ---- the rules by their beginnings ---- */

/* By their first three bytes, five bits of each, which also folds the case of letters. */
static struct {
    uint64_t begins[BEGINNINGS / 64]; /* a bit each: most places of a text need no more than this */
    uint8_t first_rule[RULE_SLOTS];   /* index + 1 */
    uint8_t next_rule[HZ_LEN(type_rules)];
    struct {
        struct str word;
        unsigned hash;
        uint8_t languages; /* a bit each */
    } words[WORD_SLOTS];
} rules;
static pthread_once_t rules_once = PTHREAD_ONCE_INIT;

_Static_assert(HZ_LEN(type_rules) <= 64, "seen rules are bits of 64");
_Static_assert(HZ_LEN(stop_words) <= 8, "languages are bits of 8");

static inline unsigned beginning_add(unsigned beginning, char c)
{
    return (beginning << 5 | (c & 31)) % BEGINNINGS;
}

static inline unsigned word_hash_add(unsigned hash, char c)
{
    return hash * 33 + (uint8_t)(c | 0x20);
}

static unsigned word_slot(struct str word, unsigned hash)
{
    unsigned slot = (hash ^ hash >> 9) % WORD_SLOTS;
    while (rules.words[slot].word.len &&
           (rules.words[slot].hash != hash || !str_eq_nocase(rules.words[slot].word, word)))
        slot = (slot + 1) % WORD_SLOTS;
    return slot;
}

static void add_rule(size_t i)
{
    unsigned beginning = 0;
    HZ_ASSERT(strlen(type_rules[i].text) >= 3);
    for (size_t at = 0; at < 3; at++)
        beginning = beginning_add(beginning, type_rules[i].text[at]);
    rules.begins[beginning / 64] |= 1ULL << beginning % 64;
    uint8_t *slot = &rules.first_rule[beginning % RULE_SLOTS];
    rules.next_rule[i] = *slot;
    *slot = (uint8_t)(i + 1);
}

static void add_word(struct str word, size_t language)
{
    unsigned hash = 0;
    HZ_ASSERT(word.len && word.len <= WORD_MAX);
    for (size_t i = 0; i < word.len; i++)
        hash = word_hash_add(hash, word.at[i]);
    unsigned slot = word_slot(word, hash);
    rules.words[slot].word = word;
    rules.words[slot].hash = hash;
    rules.words[slot].languages |= (uint8_t)(1 << language);
}

static void rules_make(void)
{
    for (size_t i = 0; i < HZ_LEN(type_rules); i++)
        add_rule(i);
    for (size_t l = 0; l < HZ_LEN(stop_words); l++) {
        struct str rest = str_trim(str_of(stop_words[l].words));
        while (rest.at)
            add_word(str_cut(&rest, ' '), l);
    }
}

/* ---- type ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number, an operator, a number: "12 * 7". */
static bool is_formula(struct str s, size_t operator)
{
    size_t before = operator, after = operator + 1;
    while (before > 0 && s.at[before - 1] == ' ')
        before--;
    while (after < s.len && s.at[after] == ' ')
        after++;
    return before > 0 && is_digit(s.at[before - 1]) && after < s.len && is_digit(s.at[after]);
}

static const bool operators[256] = {
    ['+'] = true, ['*'] = true, ['/'] = true, ['^'] = true, ['='] = true,
};

/* The rules whose text begins at `rest`, a bit each. */
static uint64_t rules_at(struct str rest, unsigned beginning)
{
    uint64_t found = 0;
    for (unsigned r = rules.first_rule[beginning % RULE_SLOTS]; r; r = rules.next_rule[r - 1]) {
        struct str text = str_of(type_rules[r - 1].text);
        if (str_eq_nocase(str_first(rest, text.len), text))
            found |= 1ULL << (r - 1);
    }
    return found;
}

enum call_type classify_type(struct str text)
{
    struct str s = str_first(text, CLASSIFY_BYTES);
    int scores[CALL_TYPES] = { 0 };
    uint64_t found = 0;
    bool has_formula = false;
    pthread_once(&rules_once, rules_make);
    unsigned beginning = s.len < 2 ? 0 : beginning_add(beginning_add(0, s.at[0]), s.at[1]);
    for (size_t i = 2; i < s.len; i++) {
        beginning = beginning_add(beginning, s.at[i]);
        if (rules.begins[beginning / 64] >> beginning % 64 & 1)
            found |= rules_at(str_skip(s, i - 2), beginning);
        if (operators[(uint8_t)s.at[i - 1]])
            has_formula |= is_formula(s, i - 1);
    }
    for (; found; found &= found - 1) {
        int rule = __builtin_ctzll(found);
        scores[type_rules[rule].type] += type_rules[rule].score;
    }
    scores[CALL_MATH] += has_formula ? 2 : 0;
    enum call_type best = CALL_CHAT;
    for (int type = 0; type < CALL_TYPES; type++) {
        if (scores[type] >= THRESHOLD && scores[type] > scores[best])
            best = (enum call_type)type;
    }
    return best;
}

/* ---- language ---- */

static const bool word_ends[256] = {
    [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['.'] = true, [','] = true, [';'] = true,
    [':'] = true, ['!'] = true,  ['?'] = true,  ['('] = true,  [')'] = true, ['"'] = true, ['\''] = true,
};

static bool is_word_end(char c)
{
    return word_ends[(uint8_t)c];
}

static unsigned languages_of(struct str word, unsigned hash)
{
    return word.len && word.len <= WORD_MAX ? rules.words[word_slot(word, hash)].languages : 0;
}

struct str classify_language(struct str text)
{
    struct str s = str_first(text, CLASSIFY_BYTES);
    int hits[HZ_LEN(stop_words)] = { 0 };
    int words = 0;
    pthread_once(&rules_once, rules_make);
    for (size_t i = 0; i < s.len && words < LANGUAGE_WORDS; words++) {
        while (i < s.len && is_word_end(s.at[i]))
            i++;
        size_t from = i;
        unsigned hash = 0;
        for (; i < s.len && !is_word_end(s.at[i]); i++)
            hash = word_hash_add(hash, s.at[i]);
        unsigned languages = languages_of(str_make(s.at + from, i - from), hash);
        for (; languages; languages &= languages - 1)
            hits[__builtin_ctz(languages)]++;
    }
    size_t best = 0, second = 0;
    for (size_t l = 1; l < HZ_LEN(stop_words); l++) {
        if (hits[l] > hits[best]) {
            second = best;
            best = l;
        } else if (second == best || hits[l] > hits[second]) {
            second = l;
        }
    }
    bool is_clear = hits[best] >= 2 && hits[best] > hits[second];
    return is_clear ? str_of(stop_words[best].language) : STR_NONE;
}
