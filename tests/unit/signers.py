"""URLs as stores and CDNs sign them. ``n`` is which signing it is: another time, another nonce, another signature.

Each is written from the vendor's documentation of its URLs, or as its own links look.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from urllib.parse import quote


def hexed(n: int, length: int = 32) -> str:
    """Return a signature in hexadecimal."""
    return (hashlib.sha512(f"signing {n}".encode()).hexdigest() * 2)[:length]


def b64(n: int, size: int = 20) -> str:
    """Return a signature in base64, as a query has it."""
    return quote(base64.b64encode(hashlib.sha512(f"signing {n}".encode()).digest()[:size]).decode(), safe="")


def b64url(n: int, length: int = 43) -> str:
    """Return a signature in the base64 of URLs."""
    return base64.urlsafe_b64encode(hashlib.sha512(f"signing {n}".encode()).digest() * 4).decode()[:length]


def plain64(text: str) -> str:
    """Return a text in the base64 of URLs."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unix(n: int) -> int:
    """Return when the signing was, or expires."""
    return 1_760_000_000 + n * 3600


def iso(n: int) -> str:
    """Return the same as the fourth versions of signatures have it."""
    return f"20261129T0{n}1500Z"


def minute(n: int) -> str:
    """Return the same as CDNs of type B have it."""
    return f"2026112908{n:02d}"


def jwt(n: int, **claims: object) -> str:
    """Return a signed token."""
    parts = [{"alg": "RS256", "kid": "k1"}, {**claims, "iat": unix(n), "exp": unix(n) + 3600, "nbf": unix(n)}]
    coded = [plain64(json.dumps(one)) for one in parts]
    return ".".join([*coded, b64url(n)])


def v4(vendor: str, algorithm: str, scope: str, token: str = "Security-Token") -> Callable[[int], str]:
    """Return a signer of the family of S3's fourth version."""

    def sign(n: int) -> str:
        key = quote(f"AKID{hexed(n, 16).upper()}/20261129/{scope}", safe="")
        return (
            f"X-{vendor}-Algorithm={algorithm}&X-{vendor}-Credential={key}&X-{vendor}-Date={iso(n)}&X-{vendor}-Expires=3{n}00"
            f"&X-{vendor}-SignedHeaders=host&X-{vendor}-{token}={b64(n, 60)}&X-{vendor}-Signature={hexed(n, 64)}"
        )

    return sign


def v2(key: str, more: str = "") -> Callable[[int], str]:
    """Return a signer of the family of S3's second version."""
    return lambda n: f"{key}=AK{hexed(n, 18)}&Expires={unix(n)}&Signature={b64(n)}" + more.format(b64(n, 60))


def azure(more: str) -> Callable[[int], str]:
    """Return a signer of one of Azure's three kinds of shared access signatures."""
    return lambda n: (
        f"sv=2024-11-04&st=2026-11-29T0{n}%3A00%3A00Z&se=2026-11-29T1{n}%3A00%3A00Z&spr=https&sp=r&{more.format(n)}"
        f"&sig={b64(n, 32)}"
    )


def akamai(n: int) -> str:
    """Return Akamai's token."""
    return f"st={unix(n)}~exp={unix(n) + 600}~acl=/in/*~hmac={hexed(n, 64)}"


# What is added to ``https://host/in/a.png?…``.
QUERIES: dict[str, Callable[[int], str]] = {
    # -- stores
    "S3 v4": v4("Amz", "AWS4-HMAC-SHA256", "us-east-1/s3/aws4_request"),
    "S3 v4 of the JavaScript SDK": lambda n: (
        v4("Amz", "AWS4-HMAC-SHA256", "us-east-1/s3/aws4_request")(n)
        + f"&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-checksum-mode=ENABLED&x-amz-user-agent=v{n}&x-id=GetObject"
    ),
    "S3 v4a": lambda n: v4("Amz", "AWS4-ECDSA-P256-SHA256", "s3/aws4_request")(n) + "&X-Amz-Region-Set=%2A",
    "S3 Express": v4("Amz", "AWS4-HMAC-SHA256", "us-east-1/s3express/aws4_request", "S3session-Token"),
    "S3 v2": v2("AWSAccessKeyId", "&x-amz-security-token={}"),
    "R2, MinIO, Wasabi, Spaces": v4("Amz", "AWS4-HMAC-SHA256", "auto/s3/aws4_request"),
    "GCS v4": v4("Goog", "GOOG4-RSA-SHA256", "auto/storage/goog4_request"),
    "GCS v2": v2("GoogleAccessId"),
    "Azure, service SAS": azure("sr=b"),
    "Azure, account SAS": azure("ss=b&srt=o"),
    "Azure, user delegation SAS": azure(
        "sr=b&skoid=o{0}&sktid=t{0}&skt=2026-11-2{0}&ske=2026-11-3{0}&sks=b&skv=2024-11-04"
    ),
    "Alibaba OSS v1": v2("OSSAccessKeyId", "&security-token={}"),
    "Alibaba OSS v4": lambda n: (
        f"x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=LTAI{hexed(n, 20)}%2F20261129%2Fcn-hangzhou%2Foss"
        f"%2Faliyun_v4_request&x-oss-date={iso(n)}&x-oss-expires=3{n}00&x-oss-additional-headers=host"
        f"&x-oss-security-token={b64(n, 60)}&x-oss-signature={hexed(n, 64)}"
    ),
    "Tencent COS": lambda n: (
        f"q-sign-algorithm=sha1&q-ak=AKID{hexed(n, 32)}&q-sign-time={unix(n)};{unix(n) + 600}&q-key-time={unix(n)};"
        f"{unix(n) + 600}&q-header-list=host&q-url-param-list=&q-signature={hexed(n, 40)}"
        f"&x-cos-security-token={b64url(n, 80)}"
    ),
    "Tencent COS, in one parameter": lambda n: (
        "sign="
        + quote(f"q-sign-algorithm=sha1&q-ak=AKID{hexed(n, 32)}&q-sign-time={unix(n)};1&q-signature={hexed(n, 40)}")
    ),
    "Huawei OBS": v2("AccessKeyId", "&x-obs-security-token={}"),
    "Huawei OBS, S3's names": v2("AWSAccessKeyId"),
    "Baidu BOS": lambda n: (
        f"authorization=bce-auth-v1%2F{hexed(n, 32)}%2F2026-11-29T0{n}%3A00%3A00Z%2F3600%2Fhost%2F{hexed(n, 64)}"
        f"&x-bce-security-token={b64(n, 60)}"
    ),
    "Volcengine TOS": v4("Tos", "TOS4-HMAC-SHA256", "cn-beijing/tos/request"),
    "Volcengine TOS, by policy": lambda n: v4("Tos", "TOS4-HMAC-SHA256", "x")(n) + f"&X-Tos-Policy={b64(n, 40)}",
    "Qiniu Kodo": lambda n: f"e={unix(n)}&token={b64url(9, 40)}:{b64url(n, 28)}",
    "UCloud US3": v2("UCloudPublicKey"),
    "Kingsoft KS3": v2("KSSAccessKeyId"),
    "Kingsoft KS3 v4": v4("Kss", "AWS4-HMAC-SHA256", "BEIJING/ks3/aws4_request"),
    "JD Cloud": v2("AccessKey"),
    "QingStor": lambda n: f"access_key_id=AK{hexed(n, 18)}&expires={unix(n)}&signature={b64(n)}",
    "Backblaze B2": lambda n: f"Authorization=3_20261129{n}_{hexed(n, 40)}",
    "Firebase Storage": lambda n: f"alt=media&token={hexed(n, 8)}-1a2b-4c3d-8e4f-{hexed(n, 12)}",
    "Supabase": lambda n: f"token={jwt(n, url='in/a.png')}",
    "Supabase, hosted": lambda n: f"token={jwt(n, url='in/a.png', role='authenticated')}&download=a.png",
    # -- CDNs
    "CloudFront, canned policy": lambda n: (
        f"Expires={unix(n)}&Signature={b64url(n, 342)}__&Key-Pair-Id=K{n}JCJMDEHXQW5F"
    ),
    "CloudFront, custom policy": lambda n: (
        f"Policy={b64url(n, 200)}_&Signature={b64url(n, 342)}__&Key-Pair-Id=K2JCJMDEHXQW5F"
    ),
    "Google Cloud CDN": lambda n: f"Expires={unix(n)}&KeyName=key{n}&Signature={b64url(n, 27)}=",
    "Google Cloud CDN, prefix": lambda n: (
        f"URLPrefix=aHR0cHM6Ly9jZG4uZXhhbXBsZS5jb20v&Expires={unix(n)}&KeyName=key1&Signature={b64url(n, 27)}="
    ),
    "Google Media CDN": lambda n: f"Expires={unix(n)}&KeyName=set1&Signature={b64url(n, 86)}",
    "Alibaba CDN A": lambda n: f"auth_key={unix(n)}-{hexed(n + 9)}-0-{hexed(n)}",
    "Alibaba CDN C": lambda n: f"auth_key={hexed(n)}&timestamp={unix(n)}",
    "Tencent CDN A": lambda n: f"sign={unix(n)}-{b64url(n, 20).replace('-', 'x')}-0-{hexed(n)}",
    "Tencent CDN A, own name": lambda n: f"mykey={unix(n)}-r{n}-0-{hexed(n)}",
    "Tencent CDN D": lambda n: f"sign={hexed(n)}&t={unix(n)}",
    "Tencent CDN D, hexadecimal": lambda n: f"sign={hexed(n, 64)}&t={unix(n):x}",
    "Tencent VOD": lambda n: f"t={unix(n):x}&us=u{n}x&sign={hexed(n)}",
    "Huawei CDN C2": lambda n: f"auth_key={hexed(n, 64)}&timestamp={unix(n):X}",
    "Huawei CDN D": lambda n: f"auth_info={b64(n, 40)}.{hexed(n)}",
    "Wangsu CDN": lambda n: f"wsSecret={hexed(n)}&wsTime={unix(n):x}",
    "Qiniu CDN": lambda n: f"sign={hexed(n)}&t={unix(n):x}",
    "UPYUN": lambda n: f"_upt={hexed(n, 8)}{unix(n)}",
    "Akamai, hdnts": lambda n: f"hdnts={akamai(n)}",
    "Akamai, hdnea": lambda n: f"hdnea={quote(akamai(n), safe='')}",
    "Akamai, __token__": lambda n: f"__token__=exp={unix(n)}~acl=/*~hmac={hexed(n, 64)}",
    "Akamai, first version": lambda n: f"__gda__={unix(n)}_{hexed(n)}",
    "Cloudinary, token": lambda n: f"__cld_token__={akamai(n)}",
    "Cloudflare, firewall rule": lambda n: f"verify={unix(n)}-{b64(n, 32)}",
    "Cloudflare Images": lambda n: f"exp={unix(n)}&sig={hexed(n, 64)}",
    "Fastly": lambda n: f"token={unix(n)}_{hexed(n, 40)}",
    "bunny.net": lambda n: f"token={b64url(n, 22)}&expires={unix(n)}&token_path=%2Fin%2F&token_countries=CA",
    "bunny.net, new": lambda n: f"token=HS256-{b64url(n, 43)}&expires={unix(n)}&limit=1{n}00&token_ignore_params=true",
    "KeyCDN": lambda n: f"token={b64url(n, 22)}&expire={unix(n)}",
    "CDN77": lambda n: f"secure={b64url(n, 22)}==,{unix(n)}",
    "Gcore, nginx": lambda n: f"md5={b64url(n, 22)}&expires={unix(n)}",
    "nginx, short names": lambda n: f"st={b64url(n, 22)}&e={unix(n)}",
    "Limelight": lambda n: f"p=15&e={unix(n)}&h={hexed(n)}",
    "Edgecast": lambda n: hexed(n, 144),
    "Imgix": lambda n: f"expires={unix(n)}&s={hexed(n)}",
    "Mux": lambda n: f"token={jwt(n, sub='video1', aud='t')}",
    # -- links of services
    "GitHub": lambda n: f"token=GHSAT0AAAAAAC{hexed(n, 26).upper()}",
    "GitHub, images": lambda n: (
        f"jwt={jwt(n, iss='github.com', path='/1/a.png?X-Amz-Date=' + iso(n) + '&X-Amz-Signature=' + hexed(n, 64))}"
    ),
    "SharePoint": lambda n: (
        f"UniqueId=0a1b2c3d-1111-4222-8333-444455556666&tempauth=v1.{b64url(n, 300)}&ApiVersion=2.0"
    ),
    "Dropbox": lambda n: f"rlkey={b64url(n, 25).lower()}&st={b64url(n, 8)}&dl=1",
    "Slack": lambda n: f"t=xoxe-{unix(n)}-{hexed(n, 32)}",
    "Discord": lambda n: f"ex={unix(n):x}&is={unix(n) - 999:x}&hm={hexed(n, 64)}&",
    "Instagram": lambda n: (
        f"stp=dst-jpg&_nc_ht=x.example&_nc_cat=10{n}&_nc_ohc={b64url(n, 20)}&edm=A{n}&ccb=7-5&oh=00_AY{b64url(n, 40)}"
        f"&oe=6{n}2B3C4D&_nc_sid=a{n}b1"
    ),
    "TikTok, Douyin, ImageX": lambda n: (
        f"lk3s={hexed(n, 8)}&x-expires={unix(n)}&x-signature={b64(n)}&refresh_token={hexed(n, 8)}&t={hexed(n, 8)}"
        f"&idc=us{n}"
    ),
    "Weibo": lambda n: f"KID=imgbed,tva&Expires={unix(n)}&ssig={b64(n, 8)}",
    "Bilibili": lambda n: f"deadline={unix(n)}&gen=playurl&uparams=e,uipk&upsig={hexed(n)}&mid={n}",
    "Vimeo": lambda n: f"exp={unix(n)}&hmac={hexed(n, 64)}",
    # -- of a company's own
    "own: signature and nonce": lambda n: f"timestamp={unix(n)}000&nonce={hexed(n, 10)}&signature={hexed(n, 40)}",
    "own: app key": lambda n: f"appId=shop&ts={unix(n)}&sign={hexed(n).upper()}",
    "own: a token": lambda n: f"access_token={b64url(n, 60)}&expires_in=3600",
    "own: unknown names": lambda n: f"k={hexed(n, 40)}&validUntil={unix(n)}",
}

# Whole URLs: what grants access is in the path, or in a URL within.
PATHS: dict[str, Callable[[int, str], str]] = {
    "CDN type B (Alibaba, Tencent, Huawei, Volcengine)": lambda n, name: (
        f"https://c.example/{minute(n)}/{hexed(n)}/4/{name}"
    ),
    "CDN type C (Alibaba, Huawei)": lambda n, name: f"https://c.example/{hexed(n)}/{unix(n)}/4/{name}",
    "CDN type C (Tencent, Volcengine)": lambda n, name: f"https://c.example/{hexed(n)}/{unix(n):x}/4/{name}",
    "bunny.net, directory": lambda n, name: (
        f"https://z.b-cdn.net/bcdn_token={b64url(n, 43)}&expires={unix(n)}&token_path=%2Fin%2F/in/{name}"
    ),
    "Akamai, Vimeo": lambda n, name: (
        f"https://v.akamaized.net/exp={unix(n)}~acl=%2F123%2F%2A~hmac={hexed(n, 64)}/123/{name}"
    ),
    "Akamai, named": lambda n, name: f"https://v.example/hdnts={akamai(n).replace('/in/*', '*')}/123/{name}",
    "Oracle, pre-authenticated": lambda n, name: (
        f"https://objectstorage.x.oraclecloud.com/p/{b64url(n, 64)}/n/ns/b/in/o/{name}"
    ),
    "Cloudflare Stream": lambda n, name: (
        f"https://customer-1.cloudflarestream.com/{jwt(n, sub=name, kid='1')}/thumbnails/t.jpg"
    ),
    "nginx secure_link": lambda n, name: f"https://c.example/{b64url(n, 22)}/{unix(n)}/in/{name}",
    "CDN77": lambda n, name: f"https://c.example/{b64url(n, 22)},{unix(n)}/in/{name}",
    "Fastly": lambda n, name: f"https://c.example/{unix(n)}_{hexed(n, 40)}/in/{name}",
    "Google Drive, old": lambda n, name: (
        f"https://doc-0k-x-docs.googleusercontent.com/docs/securesc/{hexed(n)}/{hexed(n + 1)}/{unix(n)}000/1/2/"
        f"{name}?e=download"
    ),
    "Google Drive": lambda n, name: (
        f"https://drive.usercontent.google.com/download?id={name}&export=download&authuser=0&confirm=t"
        f"&uuid={hexed(n, 8)}&at=AIrpjv{b64url(n, 40)}"
    ),
    "Feishu": lambda n, name: (
        "https://internal-api-drive-stream.feishu.cn/space/api/box/stream/download/authcode/?code="
        + plain64(f"{hexed(n)}_{hexed(n + 5)}_ID:70540{ord(name[0])}_{unix(n)}:{unix(n) + 9}_V3")
    ),
    "OneDrive": lambda n, name: f"https://public.dm.files.1drv.com/y4m{b64url(n, 120)}/{name}",
    "Kaltura": lambda n, name: f"https://c.example/p/1/ks/{b64url(n, 60)}/entry/{name}",
    "a proxy of a signed URL, in its query": lambda n, name: (
        "https://wsrv.example/?w=300&url=" + quote(f"https://b.example/{name}?{QUERIES['S3 v4'](n)}", safe="")
    ),
    "a proxy of a signed URL, in its path": lambda n, name: (
        "https://img.example/fit/300/" + quote(f"https://b.example/{name}?{QUERIES['Alibaba OSS v1'](n)}", safe="")
    ),
    "a proxy of a signed URL, in base64": lambda n, name: (
        "https://img.example/unsafe/rs:fit:300/" + plain64(f"https://b.example/{name}?{QUERIES['S3 v2'](n)}")
    ),
    "user and password": lambda n, name: f"https://team:{b64url(n, 20)}@dav.example/in/{name}",
}

# What grants access and doesn't change from one signing to the next: it must be hidden alone.
STEADY_PATHS: dict[str, tuple[str, str]] = {
    "imgproxy": (f"https://img.example/{b64url(1)}/rs:fit:300:300/plain/s3://b/a.png", b64url(1)),
    "thumbor": (f"https://img.example/{b64url(1, 27)}=/300x200/b.example/a.png", b64url(1, 27)),
    "Cloudinary": (
        f"https://res.cloudinary.com/x/image/authenticated/s--{b64url(1, 8)}--/c_fill,w_300/v1/a.png",
        b64url(1, 8),
    ),
    "Telegram": (f"https://api.telegram.org/file/bot123456789:{b64url(1, 35)}/photos/file_1.jpg", b64url(1, 35)),
}

# The values of these name the input.
UNSIGNED = (
    "https://b.example/a.png?st=1&se=2",
    "https://b.example/a.png?expires=5",
    "https://b.example/a.png?v=1760000000",
    "https://b.example/a.png?versionId=3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
    "https://b.example/a.png?id=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "https://b.example/a.png?md5=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "https://b.example/a.png?x-oss-process=image/resize,w_300",
    "https://b.example/a.png?imageMogr2/thumbnail/!50p",
    "https://b.example/download?file=0a1b2c3d4e5f60718293a4b5c6d7e8f9&expires=1760000000",
    "https://b.example/a.png?token=cat",
    "https://b.example/a.png?signature=handwritten",
    "https://b.example/a.png?style=auth-photography-2024",
    "https://b.example/a.png?t=12.5",
    "https://b.example/2026/11/0a1b2c3d4e5f60718293a4b5c6d7e8f9/a.png",
    "https://b.example/0a1b2c3d4e5f60718293a4b5c6d7e8f9/a.png",
    "https://b.example/uploads/202611290801/0a1b2c3d4e5f60718293a4b5c6d7e8f9/a.png",
    "s3://bucket/a.png",
    "s3://bucket/a.png?versionId=3",
    "https://[::1",
)
