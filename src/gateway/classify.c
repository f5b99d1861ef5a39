#include "gateway/internal.h"

/*
 * A small rule classifier for requests that name neither type nor language: rules are data, the
 * highest score wins, chat when none reaches THRESHOLD.
 */
enum { THRESHOLD = 2, CLASSIFY_BYTES = 4096, LANGUAGE_WORDS = 200 };

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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number, an operator, a number: "12 * 7". */
static bool has_formula(struct str s)
{
    for (size_t i = 1; i + 1 < s.len; i++) {
        if (!strchr("+*/^=", s.at[i]))
            continue;
        size_t before = i, after = i + 1;
        while (before > 0 && s.at[before - 1] == ' ')
            before--;
        while (after < s.len && s.at[after] == ' ')
            after++;
        if (before > 0 && is_digit(s.at[before - 1]) && after < s.len && is_digit(s.at[after]))
            return true;
    }
    return false;
}

enum call_type classify_type(struct str text)
{
    struct str s = str_first(text, CLASSIFY_BYTES);
    int scores[CALL_TYPES] = { 0 };
    for (size_t i = 0; i < HZ_LEN(type_rules); i++) {
        if (str_contains_nocase(s, str_of(type_rules[i].text)))
            scores[type_rules[i].type] += type_rules[i].score;
    }
    if (has_formula(s))
        scores[CALL_MATH] += 2;
    enum call_type best = CALL_CHAT;
    for (int type = 0; type < CALL_TYPES; type++) {
        if (scores[type] >= THRESHOLD && scores[type] > scores[best])
            best = (enum call_type)type;
    }
    return best;
}

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

static bool is_word_end(char c)
{
    return strchr(" \t\r\n.,;:!?()\"'", c) != NULL;
}

static bool in_list(const char *list, struct str word)
{
    struct str rest = str_of(list);
    while (rest.at) {
        if (str_eq_nocase(str_cut(&rest, ' '), word))
            return true;
    }
    return false;
}

struct str classify_language(struct str text)
{
    struct str s = str_first(text, CLASSIFY_BYTES);
    int hits[HZ_LEN(stop_words)] = { 0 };
    int words = 0;
    for (size_t i = 0; i < s.len && words < LANGUAGE_WORDS; words++) {
        while (i < s.len && is_word_end(s.at[i]))
            i++;
        size_t from = i;
        while (i < s.len && !is_word_end(s.at[i]))
            i++;
        struct str word = str_make(s.at + from, i - from);
        for (size_t l = 0; word.len && l < HZ_LEN(stop_words); l++)
            hits[l] += in_list(stop_words[l].words, word);
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
