#include "test.h"

#include "gateway/internal.h"

TEST(types_are_told_by_their_marks)
{
    static const struct {
        const char *text;
        enum call_type type;
    } cases[] = {
        { "Hello, how are you today?", CALL_CHAT },
        { "", CALL_CHAT },
        { "What is the code of conduct?", CALL_CHAT },
        { "Write a Python script that renames files", CALL_CODING },
        { "Why does this fail?\n```\nint main(void)\n```", CALL_CODING },
        { "There is a bug in my function, please look at the code", CALL_CODING },
        { "What is 12 * 7?", CALL_MATH },
        { "Solve the equation x + 2 = 5", CALL_MATH },
        { "Calculate the probability of two heads", CALL_MATH },
        { "Write a poem about the sea", CALL_CREATIVE },
        { "I need a caption and a slogan for my new photo set", CALL_CREATIVE },
        { "PYTHON", CALL_CODING },
        { "py", CALL_CHAT },
        { "Explain me this ReGeX", CALL_CODING },
        { "@@@ and EEE are no fences", CALL_CHAT }, /* bytes that differ in their high bits only */
        { "See you on 10/12", CALL_MATH }, /* a date looks like a quotient */
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        CHECK_EQ(classify_type(str_of(cases[i].text)), cases[i].type);
}

TEST(languages_are_told_by_their_small_words)
{
    static const struct {
        const char *text, *language;
    } cases[] = {
        { "What is the best time of day for you?", "en" },
        { "Bonjour, je voudrais écrire un message pour mes abonnés dans le style de la maison", "fr" },
        { "Hola, ¿cómo está usted? Escribe un mensaje para mi cuenta, gracias", "es" },
        { "Schreib bitte eine Nachricht für die Leute, die ich nicht kenne", "de" },
        { "Ciao, come sono gli altri messaggi? Questa è una prova", "it" },
        { "Olá, não sei como isso é para você, obrigado", "pt" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++)
        CHECK_STR(classify_language(str_of(cases[i].text)), cases[i].language);
}

TEST(too_little_text_has_no_language)
{
    CHECK(classify_language(STR("ok")).at == NULL);
    CHECK(classify_language(STR("")).at == NULL);
    CHECK(classify_language(STR("12345 67890 !!!")).at == NULL);
}

RUN_TESTS(T(types_are_told_by_their_marks), T(languages_are_told_by_their_small_words),
          T(too_little_text_has_no_language))
