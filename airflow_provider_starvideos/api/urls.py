"""Decides which input a URL names, however it is signed: a retry may sign it again, and must order the same video.

``SIGNERS`` (query) and ``PATH_TOKENS`` (path) list what stores and CDNs add when they sign; ``identity`` removes it.
What selects other bytes stays: the object, its version, the processing of an image, response headers.

Where a signature and a name can't be distinguished, the guess is "signature". If that is wrong, a changed input counts
as the old one, and no second video is made. If the opposite guess is wrong, each retry is billed again.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

# Unix seconds or milliseconds, Unix seconds in hexadecimal, ``YYYYMMDDHHMM``, ISO 8601.
TIME = r"(?:1\d{9}(?:\d{3})?|[5-9a-f][0-9a-f]{7}|20\d{10}|20\d\d-?\d\d-?\d\dt[\d:.]+(?:z|\+\S*)?)"
HEX = r"[0-9a-f]{32,128}"
OPAQUE = r"(?=[^=]*\d)(?=[^=]*[a-z])[\w+/=.~:,;%!*-]{16,}"  # letters and digits that no person has written
# A vendor's own parameters, except those that choose a version or process an image (``x-oss-process``).
VENDOR = r"x-[a-z0-9]+-(?!.*(?:process|version-?id)).*"
ACCESS_KEY = r"\w*access_?(?:key_?)?id|accesskey|ucloudpublickey|key-pair-id|keyname"
EXPIRY = r"(?:[\w-]*[-_])?(?:expires?|expiry|expiration|exp|deadline|valid_?(?:to|until)|until|e|ex)"
CLOCK = rf"(?:{EXPIRY}|(?:[\w-]*[-_])?(?:t|ts|time|timestamp|wstime|date|key2|start|st|iat|issued_?at))"
SIGNING = (
    r"(?:[\w.~-]*[-_.])?(?:sign|signature|sig|[su]sig|upsig|\w*token|auth|auth_?key|auth_?info|authorization|jwt|hmac"
    r"|secret|wssecret|credential|verify|secure|ticket|tempauth|key1|__gda__)"
)
# Parameters that name an input, though their values may have the form of signatures.
NAMING = (
    r"(?:\w*[-_])?(?:\w*id|uuid|guid|key|file|filename|path|name|object|image|img|u|url|uri|src|v|ver|version|etag|rev)"
)


@dataclass(frozen=True)
class Signer:
    """How a family of stores or CDNs signs a query. Both patterns match a whole ``name=value``, in any case."""

    vendors: str
    signature: str  # proves that the query is signed
    adds: str = "(?!)"  # comes with the signature, and isn't part of the input's name
    needs_both: bool = False  # a parameter of ``adds`` must be there too: the signature's pattern alone proves nothing
    hosts: str = ""  # a pattern that the host must end with; empty: any host, since stores and CDNs serve own domains


SIGNERS = (
    Signer(
        "S3 v4, v4a and compatible stores (MinIO, R2, B2, Wasabi, Spaces, IBM, KS3, QingStor, …), GCS v4, OSS v4, TOS",
        r"x-[a-z0-9]+-signature=.+",
        rf"(?:{VENDOR}|x-id)=.*",
    ),
    Signer(
        "S3 v2, CloudFront, GCS v2, Cloud CDN, OSS v1, OBS, KS3, QingStor, US3, JD Cloud",
        r"signature=.+",
        rf"(?:{ACCESS_KEY}|expires|policy|urlprefix|hash-algorithm|security-token|{VENDOR})=.*",
        needs_both=True,
    ),
    Signer(
        "Azure Storage (service, account and user delegation SAS)",
        r"sig=.+",
        r"(?:s[veptrsi]|spr|sip|srt|sk[evst]|sk[ot]id|s[adus]oid|scid|skdutid|sduoid|sdd|ses|tn)=.*",
        needs_both=True,
    ),
    Signer(
        "Tencent COS", r"(?:q-signature=.+|(?:sign|authorization)=q-sign-algorithm.+)", rf"(?:q-[a-z-]+|{VENDOR})=.*"
    ),
    Signer("Baidu BOS, Backblaze B2", r"authorization=.+", rf"{VENDOR}=.*"),
    Signer(
        "type A of Alibaba, Tencent, Huawei, Volcengine and Baidu CDN, under any name",
        r"[\w-]+=(?:1\d{9}|[0-9a-f]{8})-[^-]*-[^-]*-" + HEX,
    ),
    Signer("Akamai, Cloudinary, Vimeo", r"(?:__gda__=.+|[\w-]+=(?:.*~)?(?:hmac|md5)=" + HEX + ".*)"),
    Signer("Cloudflare, as a firewall rule", r"[\w-]+=1\d{9}-[\w+/=%-]{20,}"),
    Signer("Edgio, Edgecast: the query is the token", r"[\w-]{80,}="),
    Signer("UPYUN", r"_upt=[0-9a-f]{8}1\d{9}"),
    Signer(
        "bunny.net",
        r"token=.{20,}",
        r"(?:expires=\d+|(?:bcdn_)?token_(?:path|countries|countries_blocked|ignore_params)=.*|limit=\d+)",
        needs_both=True,
    ),
    Signer("Imgix", r"s=[0-9a-f]{32}", r"(?:expires|ixlib)=.*"),
    Signer("Tencent VOD", r"sign=" + HEX, rf"(?:t={TIME}|us=\w*|rlimit=\d+)", needs_both=True),
    Signer("Weibo", r"ssig=.+", r"(?:kid|expires)=.*"),
    Signer("Bilibili", r"upsig=.+", r"(?:uparams|deadline|mid|oi|platform|trid|gen|nbs|og|f|logo)=.*"),
    Signer(
        "ByteDance: TikTok, Douyin, ImageX",
        r"x-signature=.+",
        r"(?:x-expires|refresh_token|lk3s|t|ps|shp|shcp|idc|dr|sc|se|l|s|from|biz_tag|cb)=.*",
    ),
    Signer("Discord", r"hm=.+", r"(?:ex|is)=.*", needs_both=True),
    Signer("Facebook, Instagram", r"oh=.+", r"(?:oe|_nc_\w+|ccb|edm|efg|ig_cache_key)=.*", needs_both=True),
    Signer("SharePoint, OneDrive, Dropbox", r"(?:tempauth|rlkey|authkey)=.+", r"(?:st|apiversion)=.*"),
    Signer("Slack", r"(?:t=xox\w-.+|pub_secret=.+)"),
    Signer("Google Drive", r"at=.+", r"(?:uuid|confirm|authuser)=.*", hosts=r"\.usercontent\.google\.com"),
    Signer("Feishu, Lark", r"code=.{60,}", hosts=r"\.(?:feishu\.cn|larksuite\.com)"),
    Signer(
        "others, with the name and the form of a signature: Qiniu, Wangsu, Fastly, KeyCDN, Firebase, Huawei CDN …",
        rf"{SIGNING}={OPAQUE}",
        rf"(?:{CLOCK}={TIME}.*|(?:\w*expires?|expiry|expiration|exp|ttl)=\d+|(?:[\w-]*[-_])?(?:nonce(?:_?str)?|rand(?:om)?|salt)=.*|(?:{ACCESS_KEY})=.*)",
    ),
)
# Used only where none of ``SIGNERS`` matches: a value of this form may also be the name of a file.
UNNAMED = Signer(
    "others: the form of a signature, together with the time when it expires",
    rf"(?!{NAMING}=)[\w.-]+=(?:{HEX}|(?=[^=]*\d)(?=[^=]*[a-z])[\w+/-]{{20,}}=*)",
    rf"{EXPIRY}={TIME}",
    needs_both=True,
)

PATH_TOKENS = (
    r"^/20\d{10}/[0-9a-f]{32}(?=/)",  # type B of Alibaba, Tencent, Huawei, Volcengine CDN: time, MD5
    r"^/[0-9a-f]{32}/(?:1\d{9}|[0-9a-f]{8})(?=/)",  # type C of the same: MD5, time
    r"^/[\w-]{22}(?:,|/)1\d{9}(?=/)",  # nginx secure_link
    r"^/1\d{9}_[0-9a-f]{40,64}(?=/)",  # Fastly
    r"/[\w-]*(?:token|sign|signature)(?:=|%3d)[^/]{16,}",  # bunny.net (bcdn_token), Alibaba
    r"/[^/]*hmac(?:=|%3d)[0-9a-f]{32,}[^/]*",  # Akamai, Vimeo
    r"(?<=/p)/[^/]{20,}(?=/n/[^/]+/b/)",  # a pre-authenticated request of Oracle's store
    r"(?<=/securesc)/\w+/\w+/\d{10,}(?=/)",  # Google Drive
    r"/ks/[\w=-]{20,}",  # Kaltura
    r"/s--[\w-]{8,32}--(?=/)",  # Cloudinary
    r"/y4m[\w-]{20,}",  # OneDrive
)
PATH_TOKEN = re.compile("|".join(PATH_TOKENS), re.IGNORECASE)
# Cloudflare Stream (in the path), Supabase, Mux, GitHub (in the query).
JWT = re.compile(r"(eyJ[\w-]{8,500})\.(eyJ[\w-]{8,})\.[\w-]{16,}")
CLOCK_CLAIMS = frozenset({"iat", "exp", "nbf", "jti", "nonce", "auth_time"})
FEISHU = re.compile(r"_(ID:\d+)_1\d{9}:1\d{9}_V\d+$")
BASE64_OF_HTTP = re.compile(r"aHR0c[\w+/=-]{12,}")


def identity(url: str) -> str:
    """Return what names an input: a signed URL without what signing has added, any other URL unchanged.

    Not for showing, because unknown signatures stay: ``redaction.hide_url`` is for that.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url
    kept = _unsigned(query, parts.netloc)
    path = _unsigned_path(parts.path)
    netloc = parts.netloc.rpartition("@")[2] if parts.scheme in ("http", "https") else parts.netloc
    if (kept, path, netloc) == (query, parts.path, parts.netloc):
        return url
    text = parts.query if kept == query else urlencode(kept)
    return urlunsplit(parts._replace(netloc=netloc, path=path, query=text))


def _unsigned(query: list[tuple[str, str]], netloc: str) -> list[tuple[str, str]]:
    added = _added(query, netloc)
    kept = []
    for pair in query:
        value = _named_by(pair[1]) if pair in added else _nested(pair[1])
        if value or pair not in added:
            kept.append((pair[0], value))
    return kept


def _added(query: list[tuple[str, str]], netloc: str) -> set[tuple[str, str]]:
    """Return the parameters that signing has added."""
    added: set[tuple[str, str]] = set()
    texts = [("=".join(pair), pair) for pair in query]
    joined = "\n".join(text for text, _ in texts)
    for signer, anywhere, signature, adds in _PATTERNS:
        if signer is UNNAMED and added:
            break
        if not anywhere.search(joined):
            continue
        signs = {pair for text, pair in texts if signature.fullmatch(text)}
        if not signs or not re.search(f"(?:{signer.hosts})$", netloc):
            continue
        others = {pair for text, pair in texts if adds.fullmatch(text)}
        if others or not signer.needs_both:
            added |= signs | others
    return added


_FLAGS = re.IGNORECASE | re.ASCII
_PATTERNS = [
    (
        one,
        re.compile(f"^(?:{one.signature})$", _FLAGS | re.MULTILINE),  # a quick search in the whole query
        re.compile(one.signature, _FLAGS),
        re.compile(one.adds, _FLAGS),
    )
    for one in (*SIGNERS, UNNAMED)
]


def _unsigned_path(path: str) -> str:
    path = PATH_TOKEN.sub("", path)
    if JWT.search(path):
        path = JWT.sub(lambda found: _claims(found[0]), path)
    # A service that fetches or resizes the picture at another URL, which may be signed.
    return "/".join(_nested(one) for one in path.split("/"))


def _nested(value: str) -> str:
    """Return a value; if it is a URL (also percent-encoded, or in base64), its identity."""
    decoded = value if "://" in value else unquote(value)
    if BASE64_OF_HTTP.match(value):
        decoded = _decoded(value.partition(".")[0])
    if not decoded.lower().startswith(("http://", "https://")):
        return value
    named = identity(decoded)
    return value if named == decoded else named


def _named_by(signature: str) -> str:
    """Return what a signature itself says about the input; empty where it says nothing."""
    if JWT.fullmatch(signature):
        return _claims(signature)
    found = FEISHU.search(_decoded(signature)) if len(signature) > 100 else None
    return found[1] if found else ""


def _claims(token: str) -> str:
    """Return a token's claims without its times: on one path, the token alone may name the input."""
    try:
        claims: Any = json.loads(_decoded(token.split(".")[1]))
    except ValueError:
        return ""
    if not isinstance(claims, dict):
        return ""
    kept = {
        name: identity(value) if isinstance(value, str) else value
        for name, value in claims.items()
        if name not in CLOCK_CLAIMS
    }
    return json.dumps(kept, sort_keys=True) if kept else ""


def _decoded(text: str) -> str:
    try:
        padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
        return base64.b64decode(padded).decode()
    except ValueError:
        return ""
