#ifndef HZ_TESTS_UNIT_WIRE_MULTIPART_FORMS_H
#define HZ_TESTS_UNIT_WIRE_MULTIPART_FORMS_H
/* multipart_forms - forms as clients have sent them, byte for byte, and forms to be refused. */

static const struct {
    const char *type;
    const char *body;
    const char *said;
} client_forms[] = {
    /* curl 7.88.1: -F 'purpose=user data' -F 'file=@"a\"b.mp4";type=video/mp4' -F empty= */
    { "multipart/form-data; boundary=------------------------0fd66c30a79455d8",
      "--------------------------0fd66c30a79455d8\r\n"
      "Content-Disposition: form-data; name=\"purpose\"\r\n"
      "\r\n"
      "user data\r\n"
      "--------------------------0fd66c30a79455d8\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a%22b.mp4\"\r\n"
      "Content-Type: video/mp4\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "--------------------------0fd66c30a79455d8\r\n"
      "Content-Disposition: form-data; name=\"empty\"\r\n"
      "\r\n"
      "\r\n"
      "--------------------------0fd66c30a79455d8--\r\n",
      "<purpose>user data</><file file=a\"b.mp4 type=video/mp4>one\r\ntwo\r\n--</><empty></>" },
    /* curl 7.88.1: --form-escape -F 'na\me=x' -F 'file=@"a\"b.mp4"' */
    { "multipart/form-data; boundary=------------------------7c616617fb853563",
      "--------------------------7c616617fb853563\r\n"
      "Content-Disposition: form-data; name=\"na\\\\me\"\r\n"
      "\r\n"
      "x\r\n"
      "--------------------------7c616617fb853563\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"b.mp4\"\r\n"
      "Content-Type: application/octet-stream\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "--------------------------7c616617fb853563--\r\n",
      "<na\\me>x</><file file=a\"b.mp4 type=application/octet-stream>one\r\ntwo\r\n--</>" },
    /* OpenAI's library for Python 3.52.0 with httpx2 2.16.2: a name with '"', '\' and LF */
    { "multipart/form-data; boundary=13754dcb04a151313a878da145715115",
      "--13754dcb04a151313a878da145715115\r\n"
      "Content-Disposition: form-data; name=\"purpose\"\r\n"
      "\r\n"
      "user_data\r\n"
      "--13754dcb04a151313a878da145715115\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a%22b\\\\c \xC3\xBC%0A.mp4\"\r\n"
      "Content-Type: video/mp4\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "--13754dcb04a151313a878da145715115--\r\n",
      "<purpose>user_data</><file file=a\"b\\c \xC3\xBC\n.mp4 type=video/mp4>one\r\ntwo\r\n--</>" },
    /* OpenAI's library for Node 7.55.0 with Node 20: it cuts the same name */
    { "multipart/form-data; boundary=----formdata-undici-091356442387",
      "------formdata-undici-091356442387\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"c \xC3\xBC.mp4\"\r\n"
      "Content-Type: video/mp4\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "------formdata-undici-091356442387\r\n"
      "Content-Disposition: form-data; name=\"purpose\"\r\n"
      "\r\n"
      "user_data\r\n"
      "------formdata-undici-091356442387--\r\n",
      "<file file=c \xC3\xBC.mp4 type=video/mp4>one\r\ntwo\r\n--</><purpose>user_data</>" },
    /* fetch and FormData of Node 20, which write as the HTML standard has browsers do it */
    { "multipart/form-data; boundary=----formdata-undici-009842652921",
      "------formdata-undici-009842652921\r\n"
      "Content-Disposition: form-data; name=\"ti%22t%0D%0Ale\"\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "------formdata-undici-009842652921\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a%22b\\c \xC3\xBC%0A.mp4\"\r\n"
      "Content-Type: video/mp4\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "------formdata-undici-009842652921\r\n"
      "Content-Disposition: form-data; name=\"none\"\r\n"
      "Content-Type: application/octet-stream\r\n"
      "\r\n"
      "\r\n"
      "------formdata-undici-009842652921--\r\n",
      "<ti\"t\r\nle>one\r\ntwo</><file file=a\"b\\c \xC3\xBC\n.mp4 type=video/mp4>one\r\ntwo\r\n--</>"
      "<none type=application/octet-stream></>" },
    /* the same, without any entry */
    { "multipart/form-data; boundary=----formdata-undici-024941614389",
      "------formdata-undici-024941614389--\r\n", "" },
    /* requests 2.34.2 with urllib3 2.7.0: data= and files= */
    { "multipart/form-data; boundary=2cea79405be0034436529761aa8e1f14",
      "--2cea79405be0034436529761aa8e1f14\r\n"
      "Content-Disposition: form-data; name=\"purpose\"\r\n"
      "\r\n"
      "user data\r\n"
      "--2cea79405be0034436529761aa8e1f14\r\n"
      "Content-Disposition: form-data; name=\"file\"; filename=\"a%22b\\c \xC3\xBC%0A.mp4\"\r\n"
      "Content-Type: video/mp4\r\n"
      "\r\n"
      "one\r\n"
      "two\r\n"
      "--\r\n"
      "--2cea79405be0034436529761aa8e1f14--\r\n",
      "<purpose>user data</><file file=a\"b\\c \xC3\xBC\n.mp4 type=video/mp4>one\r\ntwo\r\n--</>" },
};

/* One part of a form with the boundary "bound". */
#define DISPOSITION "Content-Disposition: form-data; name=\"a\"\r\n"
#define FIRST "--bound\r\n" DISPOSITION "\r\n"
#define LAST "\r\n--bound--\r\n"

/* `why` is in the reason that is given. */
static const struct {
    const char *body;
    const char *why;
} hostile_forms[] = {
    { "x\r\n" FIRST "x" LAST, "begin" },
    { "\r\n\r\n" FIRST "x" LAST, "begin" },
    { "\n" FIRST "x" LAST, "begin" },
    { "\r" FIRST "x" LAST, "begin" },
    { " " FIRST "x" LAST, "begin" },
    { "-" FIRST "x" LAST, "begin" },
    { "--Bound\r\n" DISPOSITION "\r\nx" LAST, "begin" },
    { "--boundx\r\n" DISPOSITION "\r\nx" LAST, "neither CR LF nor" },
    { "--bound\n" DISPOSITION "\r\nx" LAST, "neither CR LF nor" },
    { "--bound\r\r" DISPOSITION "\r\nx" LAST, "neither CR LF nor" },
    { "--bound \r\n" DISPOSITION "\r\nx" LAST, "neither CR LF nor" },
    { "--bound \n" DISPOSITION "\r\nx" LAST, "neither CR LF nor" },
    { "--bound-\r\n", "neither CR LF nor" },
    { FIRST "x\r\n--boundary" LAST, "neither CR LF nor" },
    { FIRST "x\r\n--bound\t\r\n" DISPOSITION "\r\ny" LAST, "neither CR LF nor" },
    { FIRST "x\r\n--bound--x", "last boundary" },
    { FIRST "x\r\n--bound-- \r\n", "last boundary" },
    { FIRST "x\r\n--bound--\n", "last boundary" },
    { FIRST "x\r\n--bound--x\n", "last boundary" },
    { FIRST "x\r\n--bound--\rx", "last boundary" },
    { FIRST "--bound--\r\n", "without an empty line" },
    { FIRST "--bound\r\n" DISPOSITION "\r\ny" LAST, "without an empty line" },
    { "--bound\r\n" DISPOSITION "\nx" LAST, "does not end with CR LF" },
    { "--bound\r\nContent-Disposition: form-data; name=\"a\"\n\r\nx" LAST, "does not end with CR LF" },
    { "--bound\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION "X: a\rb\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION "X: a\x01\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION "X : a\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION ": a\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION "X\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n" DISPOSITION "\xC3: a\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n--bound--\r\n\r\nx" LAST, "a colon and a value" },
    { "--bound\r\n\r\nx" LAST, "no Content-Disposition" },
    { "--bound\r\nContent-Type: text/plain\r\n\r\nx" LAST, "no Content-Disposition" },
    { "--bound\r\n" DISPOSITION "content-disposition: form-data; name=b\r\n\r\nx" LAST, "comes twice" },
    { "--bound\r\n" DISPOSITION "Content-Type:\r\nContent-Type: a/b\r\n\r\nx" LAST, "comes twice" },
    { "--bound\r\n" DISPOSITION "Content-Transfer-Encoding: base64\r\n\r\nx" LAST, "7bit" },
    { "--bound\r\n" DISPOSITION "Content-Transfer-Encoding: quoted-printable\r\n\r\nx" LAST, "7bit" },
    { "--bound\r\n" DISPOSITION "Content-Transfer-Encoding:\r\n\r\nx" LAST, "7bit" },
    { "--bound\r\n" DISPOSITION "Content-Type: Multipart/Mixed; boundary=c\r\n\r\nx" LAST, "itself multipart" },
    { "--bound\r\nContent-Disposition:\r\n\r\nx" LAST, "not form-data" },
    { "--bound\r\nContent-Disposition: file; filename=a\r\n\r\nx" LAST, "not form-data" },
    { "--bound\r\nContent-Disposition: form-data name=a\r\n\r\nx" LAST, "not form-data" },
    { "--bound\r\nContent-Disposition: form-data\r\n\r\nx" LAST, "no name" },
    { "--bound\r\nContent-Disposition: form-data; filename=a\r\n\r\nx" LAST, "no name" },
    { "--bound\r\nContent-Disposition: form-data; name=\"a\tb\"\r\n\r\nx" LAST, "control" },
    { "--bound\r\nContent-Disposition: form-data; name=a; filename=\"\t\"\r\n\r\nx" LAST, "control" },
    { "--bound\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx" LAST, "comes twice" },
    { "--bound\r\nContent-Disposition: form-data; name=a; filename=b; FILENAME=b\r\n\r\nx" LAST, "comes twice" },
    { "--bound\r\nContent-Disposition: form-data; name=a; filename*=utf-8''b\r\n\r\nx" LAST, "filename*" },
    { "--bound\r\nContent-Disposition: form-data; name=a; filename=b; filename*0=c\r\n\r\nx" LAST, "filename*" },
    { "--bound\r\nContent-Disposition: form-data; name=\"a\\\"; filename=\"b\"\r\n\r\nx" LAST, "neither name=" },
    { "--bound\r\nContent-Disposition: form-data; name=\"a\\\"\r\n\r\nx" LAST, "neither name=" },
    { "--bound\r\nContent-Disposition: form-data; name='a b'\r\n\r\nx" LAST, "neither name=" },
};

#endif
