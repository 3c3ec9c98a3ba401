using System.Text.Json;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// What a client is told about its token: which check failed, and nothing from the token or from here. The sentences also go into
/// WWW-Authenticate, where RFC 6750 section 3 allows neither double quotes nor backslashes.
/// </summary>
internal static class TokenErrors
{
    // Exceptions are made anew each time: a shared one would gather the stack traces of whoever throws it.
    public static RealtimeException NoToken => Refused(
        "No token was given: send it as 'Authorization: Bearer', or as 'access_token' in the query where the path allows it.");

    public static RealtimeException Malformed => Refused("The token is malformed: it is not a JSON Web Token.");

    public static RealtimeException Unsigned => Refused("The token is not signed.");

    public static RealtimeException Expired => Refused("The token has expired.");

    public static RealtimeException Algorithm => Refused("The token is signed with an algorithm that is not accepted here.");

    public static RealtimeException MalformedPatterns =>
        Refused("The token's 'join', 'publish' and 'jobs' must each be an array of strings, or a string with spaces between the names.");

    public static RealtimeException NoAuthority =>
        new(RealtimeErrorCode.Unavailable, "The token cannot be checked now: the authority that signs tokens does not answer. Try again later.");

    public static RealtimeException Explain(Exception? failure) => failure switch
    {
        RealtimeException own => own,
        SecurityTokenExpiredException => Expired,
        SecurityTokenNotYetValidException => Refused("The token is not valid yet."),
        SecurityTokenNoExpirationException => Refused("The token has no 'exp'."),
        SecurityTokenInvalidAudienceException => Refused("The token is for another audience."),
        SecurityTokenInvalidIssuerException => Refused("The token is from another issuer."),
        SecurityTokenInvalidAlgorithmException => Algorithm,
        SecurityTokenInvalidSignatureException => Refused("The token's signature is invalid."),
        SecurityTokenMalformedException or ArgumentException or JsonException => Malformed,
        _ => Refused("The token is not valid."),
    };

    static RealtimeException Refused(string why) => new(RealtimeErrorCode.Unauthenticated, why);
}
