namespace OrleansRealtime.Gateway.Auth;

/// <summary>Whose tokens the gateway accepts. Section <c>Realtime:Auth</c>.</summary>
/// <remarks>
/// Either <see cref="Key"/> (the application signs tokens itself) or <see cref="Authority"/> (an OpenID Connect server does). In
/// Development neither is needed: a key is made and kept in the data folder.
/// </remarks>
public sealed class AuthOptions
{
    public const string Section = "Realtime:Auth";

    /// <summary>RFC 7518 section 3.2: a key of at least the size of the hash, here that of HS256.</summary>
    public const int MinKeyBytes = 32;

    /// <summary>In <see cref="Audience"/>: tokens for any audience are accepted.</summary>
    public const string AnyAudience = "*";

    /// <summary>
    /// The secret that signs tokens: text whose UTF-8 is the key, or <c>base64:</c> and the key in base64. At least 32 bytes for HS256;
    /// HS384 needs 48 and HS512 64.
    /// </summary>
    public string? Key { get; set; }

    /// <summary>The OpenID Connect server whose tokens are accepted, for example <c>https://login.example.com/realms/chat</c>.</summary>
    public string? Authority { get; set; }

    /// <summary>Where the authority's metadata is, if not at its <c>/.well-known/openid-configuration</c>.</summary>
    public string? MetadataAddress { get; set; }

    /// <summary>Whether the authority's metadata must come by HTTPS. Null: everywhere but in Development.</summary>
    public bool? RequireHttpsMetadata { get; set; }

    /// <summary>
    /// What a token's <c>aud</c> must name. Null: not looked at, which only <see cref="Key"/> allows. With an <see cref="Authority"/> it
    /// must be set, since such a server issues tokens for other applications too; <c>*</c> accepts those knowingly.
    /// </summary>
    public string? Audience { get; set; }

    /// <summary>What a token's <c>iss</c> must be. Null: what the authority's metadata says, or not looked at with a <see cref="Key"/>.</summary>
    public string? Issuer { get; set; }

    /// <summary>The claims that hold roles. Null: <c>role</c> and <c>roles</c>.</summary>
    public string[]? RoleClaims { get; set; }

    /// <summary>
    /// Path prefixes under which <c>access_token</c> in the query is accepted: where browsers cannot set a header. A transport adds its own
    /// with <c>services.Configure&lt;AuthOptions&gt;(o =&gt; o.QueryTokenPaths.Add("/mine"))</c>; settings add to the list as well.
    /// </summary>
    public IList<string> QueryTokenPaths { get; } = ["/hub", "/events", "/jobs"];

    /// <summary>How long a development token lasts.</summary>
    public TimeSpan DevTokenLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Whether <c>GET /dev/token</c> hands a token of any user to anyone. Null: only in Development, and only without an
    /// <see cref="Authority"/>.
    /// </summary>
    public bool? AllowDevTokens { get; set; }

    /// <summary>
    /// Whether Socket.IO clients without a token are let in, each as a guest of its own. Null: only in Development, and only without an
    /// <see cref="Authority"/>.
    /// </summary>
    public bool? AllowGuests { get; set; }

    internal string[] RoleClaimNames => RoleClaims ?? ["role", "roles"];
}
